"""Options that several commands share: which platform is called, and as whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[
    Path, typer.Option("--folder", envvar="LIANGFA_STORAGE__FOLDER", help="Where the platform keeps its data.")
]
Address = Annotated[str, typer.Option(help="host:port of the platform.")]
As = Annotated[
    str,
    typer.Option("--as", help="Role: officer, agency_head, police, police_head, procurator, chief_procurator, judge …"),
]
Region = Annotated[str, typer.Option(help="Division code of the caller.")]
Agency = Annotated[str, typer.Option(help="Agency id of the caller.")]
AgencyName = Annotated[str, typer.Option(help="Name of the agency; its id when left out.")]
AgencyType = Annotated[str, typer.Option(help="Kind of agency, as the rule library calls it: market_regulation …")]
Person = Annotated[str, typer.Option(help="Id of the person who acts; the account of this machine when left out.")]
PersonName = Annotated[str, typer.Option(help="Name of the person who acts.")]
