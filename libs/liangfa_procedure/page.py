"""The procedure as a page: state diagrams, the table of steps, the limits with their sources."""

from __future__ import annotations

from collections.abc import Iterator

from liangfa_procedure.rules import Rule, Rules, Use
from liangfa_procedure.steps import ANY_OPEN, Procedure, Scope, Step

_HEADINGS = {
    Scope.TRANSFER: "一件移送的状态 / States of a transfer",
    Scope.SUSPECT: "每名嫌疑人的状态 / States of each suspect",
}
_USES = {Use.DUTY: "duty", Use.RIGHT: "right", Use.WINDOW: "window", Use.UNUSED: "not run"}


def page() -> str:
    """Return the page in Markdown."""
    return "\n".join(_lines(Procedure.load(), Rules.load())) + "\n"


def _lines(procedure: Procedure, rules: Rules) -> Iterator[str]:
    yield "# The procedure (两法衔接程序)"
    yield ""
    yield "Made from the data of `libs/liangfa_procedure` by `python -m liangfa_procedure`. Not legal advice."
    yield "Confidence: confirmed = the text was read in full; single_source = one page; recalled = not checked against a text;"
    yield "product = a decision of this product where the texts are silent."
    for scope, heading in _HEADINGS.items():
        yield from ("", f"## {heading}", "", "```mermaid", "stateDiagram-v2")
        yield from _diagram(procedure, scope)
        yield from (
            "```",
            "",
            "| Row | Step | Who | From → to | Documents | Clocks end / start | Source | Confidence |",
        )
        yield "|---|---|---|---|---|---|---|---|"
        for step in procedure.steps.values():
            if step.scope is scope:
                yield _row(step, procedure, rules)
    yield from ("", "## Rows that are no step", "")
    yield from (f"- {row}: {why}" for row, why in procedure.rows_without_step.items())
    yield from ("", "## 期限 / Limits", "")
    yield "| Rule | Limit | From → to | Owes | Use | Source | Confidence |"
    yield "|---|---|---|---|---|---|---|"
    yield from map(_limit, rules.by_id.values())


def _diagram(procedure: Procedure, scope: Scope) -> Iterator[str]:
    for state in procedure.states[scope].values():
        yield f"  {state.id}: {state.name_zh}"
    if scope is Scope.SUSPECT:
        yield "  [*] --> investigated"
    for step in procedure.steps.values():
        if step.scope is scope and step.to_state is not None:
            for origin in sorted(step.from_states - {ANY_OPEN}) or ["[*]"]:
                yield f"  {origin} --> {step.to_state}: {step.name_zh}"
    yield from (f"  {state.id} --> [*]" for state in procedure.states[scope].values() if state.is_terminal)


def _row(step: Step, procedure: Procedure, rules: Rules) -> str:
    running = [rule for rule in rules.by_id.values() if rule.use is not Use.UNUSED]
    ends = [rule.id for rule in running if rule.ends_on in step.tells]
    starts = [rule.id for rule in running if rule.starts_on in step.tells]
    starts += [f"{rule.id} (from receipt)" for rule in running if rule.starts_on in step.on_receipt]
    starts += [f"{rule.id} (again)" for rule in running if rule.id in step.restores]
    who = "、".join(procedure.roles[role].name_zh for role in procedure.roles if role in step.roles)
    origin = "、".join(sorted("任何未结状态" if state == ANY_OPEN else state for state in step.from_states)) or "–"
    cells = [
        step.reference,
        f"`{step.id}` {step.name_zh} / {step.name_en}",
        who,
        f"{origin} → {step.to_state or '不变'}",
        "、".join(step.documents_required) or "–",
        f"{', '.join(ends) or '–'} / {', '.join(starts) or '–'}",
        step.source or "–",
        step.confidence,
    ]
    return f"| {' | '.join(cells)} |"


def _limit(rule: Rule) -> str:
    counted = "working days" if rule.is_working_days else "natural"
    use = _USES[rule.use] + (f": {rule.why_unused}" if rule.why_unused else "")
    source = f"{rule.source} {rule.article}".strip()
    span = f"{rule.starts_on} → {rule.ends_on}"
    cells = [
        f"`{rule.id}` {rule.title_zh}",
        f"{rule.duration} {counted}",
        span,
        rule.owes,
        use,
        source,
        rule.confidence,
    ]
    return f"| {' | '.join(cells)} |"
