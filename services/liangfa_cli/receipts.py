"""What the terminal shows of receipts: each with its sides, its standing, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table
from rich.text import Text

from liangfa_case_transfer.exporting import file_flaws, read_receipts
from liangfa_case_transfer.ledger import Flaw
from liangfa_procedure.steps import Procedure
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

OPEN = "OPEN"


def verdict(content: bytes, trusted: Sequence[pb.PublicKey] | None, *, is_whole: bool) -> tuple[list[Text], bool]:
    """Return what is told of a file of receipts, and whether nothing in it was altered. Raises `Invalid`."""
    receipts, keys = read_receipts(content)
    found = file_flaws(content, trusted, is_whole=is_whole)
    altered = [flaw for flaw in found if flaw.rule != OPEN]
    lines = [*_of_file(found), *(line for receipt in receipts for line in _of_receipt(receipt, found))]
    still_open = len(found) - len(altered)
    summary = f"{len(receipts)} 份回执，{still_open} 份尚待签收，{len(altered)} 处不符 · "
    summary += f"{len(receipts)} receipts, {still_open} not signed for yet, {len(altered)} flaws"
    lines.append(Text(summary, style="bold red" if altered else "bold green"))
    if trusted is None and not altered:
        lines += _fingerprints(keys)
    return lines, not altered


def _of_receipt(receipt: pb.Receipt, found: Iterable[Flaw]) -> Iterator[Text]:
    mine = [flaw for flaw in found if flaw.receipt_id == receipt.id]
    altered = [flaw for flaw in mine if flaw.rule != OPEN]
    line = Text(f"{receipt_words(receipt)}  ")
    if altered:
        line.append("被改动 altered", style="bold red")
    elif mine:
        line.append("已发出，尚待签收 sent, not signed for yet", style="yellow")
    else:
        line.append("完好 sound", style="green")
    yield line
    for flaw in altered:
        yield Text(f"    {flaw.rule} {flaw.message}", style="red")


def _of_file(found: Iterable[Flaw]) -> Iterator[Text]:
    for flaw in found:
        if not flaw.receipt_id:
            yield Text(f"文件 the file: {flaw.rule} {flaw.message}", style="red")


def _fingerprints(keys: Iterable[pb.PublicKey]) -> Iterator[Text]:
    words = "公钥取自该文件本身：仅证明导出后未被改动；请核对下列公钥指纹，或用 --keys 指定另行取得的公钥 · "
    words += "keys were taken from the file itself: compare their ids, or name keys that came another way with --keys"
    yield Text(words, style="yellow")
    for key in keys:
        yield Text(f"    {key.organisation.id}  {key.algorithm}  {key.key_id}", style="dim")


def receipt_words(receipt: pb.Receipt) -> str:
    """Return which receipt it is: number, step, from whom, to whom, when."""
    step = Procedure.load().steps.get(receipt.step)
    name = f"{step.name_zh} {step.name_en}" if step is not None else receipt.step
    sides = f"{receipt.sender.name or receipt.sender.id} → {receipt.receiver.name or receipt.receiver.id}"
    return f"第 {receipt.number} 号 {name}  {sides}"


_GAPS = {
    rpc.GAP_KIND_NOT_SIGNED: ("已发未收", "not signed for", "yellow"),
    rpc.GAP_KIND_UNKNOWN: ("收方有发方无", "unknown to the sender", "bold red"),
    rpc.GAP_KIND_DIFFERS: ("内容不一致", "differs", "bold red"),
    rpc.GAP_KIND_MISSING: ("回执缺失", "missing", "bold red"),
    rpc.GAP_KIND_NOT_HELD: ("底账缺失", "not in your books", "bold yellow"),
}


def gaps_table(found: rpc.ListReceiptGapsResponse) -> Table:
    """Return the gaps of a day, with whom to ask."""
    title = f"{found.day} 双方台账核对：{len(found.gaps)} 处缺漏 · gaps among {found.receipts} receipts"
    table = Table(title=title, show_lines=True)
    for column in ("缺漏 gap", "回执 receipt", "移送 transfer", "说明 what"):
        table.add_column(column, overflow="fold")
    for gap in found.gaps:
        zh, en, style = _GAPS.get(gap.kind, ("", gap.rule, ""))
        as_receipt = pb.Receipt(number=gap.number, step=gap.step, sender=gap.sender, receiver=gap.receiver)
        which = Text(receipt_words(as_receipt) if gap.step else gap.receipt_id or f"第 {gap.number} 号")
        words = Text(f"{gap.message_zh}\n{gap.message_en}\n{gap.rule}")
        table.add_row(
            Text(f"{zh}\n{en}", style=style), which, Text(f"…{gap.transfer_id[-8:]}" if gap.transfer_id else ""), words
        )
    return table
