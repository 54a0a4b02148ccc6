"""How careless wording of a step is brought to one form: organs by their side, verbs that mean one thing by one of them.

Used only for words that are no known name. What says that something was *not* done is never read as the step itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from liangfa_procedure.steps import Step

_AGENCIES = (
    "生态环境|环境保护|环保|环境|市场监督管理|市场监管|税务|烟草专卖|烟草|应急管理|人力资源和社会保障|人社|农业农村|林业"
    "|城管|自然资源|药品监督管理|药监|知识产权"
)
_FORMS = (
    (r"^[^对将向]{0,8}?(?:总队|支队|大队|中队)", ""),
    (r"(?:对|将)?(?:犯罪嫌疑人|嫌疑人|被不起诉人|被告人)(?=[^某]{1,2}某)", "对"),
    (r"(?:对|将)[^某]{1,2}某[某甲乙丙丁]?(?:等[一二三四五六七八九十\d]*人)?", ""),
    (r"复议后?(?:仍然?|依然)(?=维持)", "复议"),
    (r"以[^以]{2,20}?为由", ""),
    (r"以(?:涉嫌)?[^以]{2,20}?(?<!犯)罪(?:名)?", ""),
    (r"涉嫌[^罪]{2,18}(?<!犯)罪(?:名)?", ""),
    (r"将(?:该|本|全)?案(?:件|卷)?(?=移送|移交|送交|转送|退回)", ""),
    (r"将([^将]{2,20}?)(移送|移交|送交|转送|退回|告知|通知|通报|送达|抄送)(?!书)", r"\2\1"),
    (r"^(.+?书)送达", r"送达\1"),
    (r"(?:审批|签批|审核|审查)(?=同意|批准)", ""),
    (r"写出|撰写|起草", "提出"),
    (r"进行|开展|给予|予以(?!立案)|处以", ""),
    (r"批捕", "批准逮捕"),
    (r"补充侦查(?:完毕|终结|结束|完成)?后", "补充侦查完毕"),
    (r"依法|正式|及时|当日|当天|随即|作出|发出|制发|出具|下达|制作|签发", ""),
    (r"(?:同级|原)?(?:人民)?检察(?:机关|院)(?!察)", "检察机关"),
    (r"(?:同级)?公安(?:机关|部门|分局|局)", "公安"),
    (rf"(?:原|{_AGENCIES})?(?:移送|行政执法|行政|执法|主管)(?:机关|部门|单位)", "行政机关"),
    (rf"(?:{_AGENCIES})(?:主管)?(?:局|部门|厅|委)", "行政机关"),
    (r"(?:主要|正职|单位)?负责人|局长", "负责人"),
    (r"移交|送交", "移送"),
    (r"移送[^不未]{1,12}等(?=物品|物证|财物)", "移送"),
    (r"接收|接受|受理", "受理"),
    (r"通知|告知", "告知"),
    (r"不予立案", "不立案"),
    (r"撤销案件", "撤案"),
    (r"提请|申请|提起|报请", "提请"),
    (r"同意", "批准"),
    (r"(?:决定|告知)书|书$", ""),
    (r"(?<![不未])决定(?=告知|提请)", ""),
)
_SIDES = (
    "公安",
    "检察机关",
    "行政机关",
    "负责人",
    "法院",
    "承办人",
    "执法人员",
    "办案人员",
    "专案组",
    "检察长",
    "检察官",
)
_AMONG = re.compile(r"(?:就|由|向|对)?[某原邻本该]?[省市县区]?(?:公安|检察机关|行政机关)(?:就|对)?")
"""A side named anywhere in a word: 要求公安说明逾期理由, 就公安逾期未决定提请检察机关监督."""
_NOT_DONE = re.compile(r"[不未没拒撤退逾无免复停终前后]|准备|拟|另案")
_OTHER_DEED = re.compile("告知|送达|抄送|回复|监督|审查|起诉|要求|建议|认为|应当")
_SHORTEST = 3
_WITHOUT_SIDES = 4
_TURNS = (
    *"不未没无非撤退免拒维终延止逾停前后拟",
    "准备",
    "告知",
    "送达",
    "抄送",
    "回复",
    "要求",
    "提请",
    "批准",
    "监督",
    "应当",
    "认为",
    "建议",
)
"""What turns a step into another one, often its opposite: words that differ in them are not alike."""
_DEEDS = re.compile(
    "同意|逮捕|批捕|处罚|移送|移交|送达|批准|立案|受理|接受|签收|起诉|通知|告知|撤销|回复|决定|要求|建议|转送|退回|复议"
)
_WHY = re.compile("建议|认为|经|因|鉴于|由于")
_CLAUSES = re.compile("[，,；;。]+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
_ALIKE, _CLEARLY = 0.75, 0.1
_SHORTEST_LIKENED = 5


def form(word: str) -> str:
    """Return the one form of a word, itself without spaces and marks (`naming.plain`)."""
    for pattern, meant in _FORMS:
        word = re.sub(pattern, meant, word)
    return word


def only_deed(word: str) -> str:
    """Return the one clause of a sentence that tells a deed (没有犯罪事实，不予立案); empty when there is none or several."""
    clauses = [clause for clause in _CLAUSES.split(word) if clause.strip()]
    deeds = [
        clause for clause in clauses if _DEEDS.search(clause.replace("被不起诉人", "").replace("立案侦查", "立案"))
    ]
    if len(deeds) > 1:  # 认为没有犯罪事实, 建议给予处罚: why, or what for
        deeds = [clause for clause in deeds if not _WHY.match(clause.strip())]
    if len(clauses) > 1 and not deeds:
        deeds = clauses[-1:]
    return deeds[0] if len(clauses) > 1 and len(deeds) == 1 else ""


def without_names(word: str, names: Sequence[str]) -> str:
    """Return a word without the suspects whom it names: 对周某撤销案件 is 撤销案件."""
    for name in sorted(names, key=len, reverse=True):
        if len(name) > 1 and not name.isascii():
            word = re.sub(f"(?:对|将)?(?:犯罪)?(?:嫌疑人)?{re.escape(name)}(?:等人?)?", "", word)
    return word


def alike(word: str, names: Mapping[str, Sequence[Step]]) -> tuple[Step, ...]:
    """Return what `names` (one form of each) call like `word`, itself in one form; empty when nothing is near enough.

    In turn: the same form; the same without whoever acts before it; the longest name that `word` holds, when what is left
    of the word denies nothing, asks for nothing and speaks of no other time (立案后……); the same without the sides
    named in it; the one name that it resembles by far the most.
    """
    if not word:
        return ()
    if word in names:
        return tuple(names[word])
    bare = next((word[len(side) :] for side in _SIDES if word.startswith(side)), word)
    if bare in names:
        return tuple(names[bare])
    held = [
        name for name in names if len(name) >= _SHORTEST and name in word and not _is_other(word.replace(name, "", 1))
    ]
    if not held:
        without = _AMONG.sub("", bare)
        return (
            tuple(names[without]) if len(without) >= _WITHOUT_SIDES and without in names else _most_alike(bare, names)
        )
    longest = max(map(len, held))
    return tuple(dict.fromkeys(one for name in held if len(name) == longest for one in names[name]))


def _is_other(left: str) -> bool:
    """Whether what is left of a word without a name tells that the step was not done, or is a part of another one."""
    return _NOT_DONE.search(left) is not None or _OTHER_DEED.search(left) is not None


def _most_alike(word: str, names: Mapping[str, Sequence[Step]]) -> tuple[Step, ...]:
    if len(word) < _SHORTEST_LIKENED or not _CHINESE.fullmatch(word):
        return ()
    likeness: dict[tuple[Step, ...], float] = {(): 0.0}
    for name, steps in names.items():
        if {turn for turn in _TURNS if turn in name} == {turn for turn in _TURNS if turn in word}:
            likeness[tuple(steps)] = max(likeness.get(tuple(steps), 0.0), SequenceMatcher(None, word, name).ratio())
    best = max(likeness, key=lambda steps: likeness[steps])
    rival = max((alike for steps, alike in likeness.items() if not set(steps) & set(best)), default=0.0)
    return best if likeness[best] >= _ALIKE and likeness[best] - rival >= _CLEARLY else ()
