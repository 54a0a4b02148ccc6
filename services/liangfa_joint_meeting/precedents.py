"""A closed consultation as a precedent: what is kept, what is masked, how alike two of them are. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from liangfa_joint_meeting.anonymising import Masker, Named
from liangfa_kit.search import index_terms
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import precedent_service_pb2 as rpc

_NAMED_FACTS = ("当事人", "单位名称", "企业名称", "姓名", "字号", "法定代表人", "负责人", "经营者")
_STOP_WORDS = "是否/应当/可以/如何/怎么/什么/问题/当事/事人/进行/相关/有关/本案/案件/情况/规定/认定/需要/以及/由于/因此/目前/现在/请问"
_STOP_TERMS = frozenset(_STOP_WORDS.split("/"))
"""Pairs of characters that most questions share."""
MAX_TERMS = 40


def drafted(
    consultation: pb.Consultation, kinds: Mapping[str, str], also_mask: Iterable[str]
) -> tuple[rpc.Precedent, list[rpc.Masking]]:
    """Return the precedent of a consultation without id and date, and what was masked.

    `kinds` gives the kind of each unit. Facts, files, the case and the conversation are left out; names that they and
    the participants betray are masked in what stays.
    """
    masker = Masker([*_known(consultation, also_mask)])
    texts = [consultation.title, consultation.question]
    texts += [text for answer in consultation.answers for text in (answer.view, answer.grounds, answer.outcome_reason)]
    for text in [*texts, *(f"{fact.label}：{fact.value}" for fact in consultation.facts)]:
        masker.learn(text)
    precedent = rpc.Precedent(
        kind=consultation.kind,
        title=masker.masked(consultation.title),
        question=masker.masked(consultation.question),
        cause=masker.masked(consultation.cause),
        offence_name_zh=consultation.offence_name_zh,
        asker_kind=kinds.get(consultation.asked_by.agency_id, ""),
        answers=[
            rpc.PrecedentAnswer(
                unit_kind=kinds.get(answer.unit_id, ""),
                view=masker.masked(answer.view),
                grounds=masker.masked(answer.grounds),
                outcome=answer.outcome,
                outcome_reason=masker.masked(answer.outcome_reason),
            )
            for answer in consultation.answers
        ],
    )
    maskings = [
        rpc.Masking(kind=one.kind, original=one.original, replacement=one.replacement, count=one.count)
        for one in masker.replaced
    ]
    return precedent, maskings


def _known(consultation: pb.Consultation, also_mask: Iterable[str]) -> Iterable[Named]:
    for participant in consultation.participants:
        yield Named(participant.unit_name, rpc.MASK_KIND_UNIT)
    people = [consultation.asked_by, *(answer.signer for answer in consultation.answers)]
    for person in people:
        yield Named(person.person_name, rpc.MASK_KIND_PERSON)
    for fact in consultation.facts:
        if any(word in fact.label for word in _NAMED_FACTS):
            yield Named(fact.value, rpc.MASK_KIND_NAMED)
    for text in also_mask:
        yield Named(text.strip(), rpc.MASK_KIND_NAMED)


def draft_hash(precedent: rpc.Precedent) -> str:
    """Return the SHA-256 of a precedent's content, without its id and date."""
    bare = rpc.Precedent()
    bare.CopyFrom(precedent)
    bare.ClearField("id")
    bare.ClearField("published_at")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def precedent_text(precedent: rpc.Precedent) -> str:
    """Return the text by which a precedent is found."""
    parts = [precedent.title, precedent.question, precedent.cause, precedent.offence_name_zh]
    parts += [text for answer in precedent.answers for text in (answer.view, answer.grounds)]
    return "\n".join(parts)


def telling_terms(text: str) -> list[str]:
    """Return at most 40 pairs of characters of a question that is being written, those that tell most."""
    terms = dict.fromkeys(term for term in index_terms(text[:2_000]).split() if len(term) > 1)
    return [term for term in terms if term not in _STOP_TERMS][:MAX_TERMS]


def likeness(terms: Sequence[str], rarity: Mapping[str, float], precedent: rpc.Precedent) -> float:
    """Return how much of what a question tells a precedent tells too, each term weighed by its rarity: 0 to 1."""
    total = sum(rarity.get(term, 1.0) for term in terms)
    if not total:
        return 0.0
    known = set(index_terms(precedent_text(precedent)).split())
    return sum(rarity.get(term, 1.0) for term in terms if term in known) / total
