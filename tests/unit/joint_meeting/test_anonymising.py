"""Masking: no identifier survives it, it repeats to itself, and what identifies nobody stays."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangfa_joint_meeting.anonymising import Masker, Named
from liangfa_protos.joint_meeting.v1 import precedent_service_pb2 as pb

AROUND = ["", "，", "联系方式：", "案发时查获", "（见卷宗）", "，销售金额80000元", "。经查，"]
DIGITS = st.text(string.digits, min_size=1)


@st.composite
def resident_ids(draw: st.DrawFn) -> str:
    year, month, day = draw(st.integers(1940, 2010)), draw(st.integers(1, 12)), draw(st.integers(1, 28))
    tail = draw(st.text(string.digits, min_size=3, max_size=3)) + draw(st.sampled_from("0123456789Xx"))
    return f"42{draw(st.integers(1000, 9999))}{year}{month:02}{day:02}{tail}"


@st.composite
def phones(draw: st.DrawFn) -> str:
    parts = ["1" + draw(st.sampled_from("3456789")) + draw(st.sampled_from(string.digits))]
    parts += [draw(st.text(string.digits, min_size=4, max_size=4)) for _ in range(2)]
    return draw(st.sampled_from(["", "-", " "])).join(parts)


@st.composite
def plates(draw: st.DrawFn) -> str:
    serial = draw(st.text("0123456789ABCDEFGHJKLMN", min_size=4, max_size=4)) + draw(st.sampled_from("12345678"))
    dot = draw(st.sampled_from(["", "·", " "]))
    return draw(st.sampled_from("鄂京沪粤")) + draw(st.sampled_from("ABCK")) + dot + serial


CODES = st.from_regex(r"[159][1239][0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}", fullmatch=True)
ACCOUNTS = st.text(string.digits, min_size=16, max_size=19)
WIDE = str.maketrans(string.digits, "０１２３４５６７８９")


@settings(max_examples=300)
@given(
    st.lists(st.one_of(resident_ids(), phones(), plates(), CODES, ACCOUNTS), min_size=1, max_size=4),
    st.lists(st.sampled_from(AROUND), min_size=5, max_size=5),
    st.booleans(),
)
def test_no_identifier_survives(found: list[str], around: list[str], is_wide: bool) -> None:
    """Whatever stands before and after it, and in full width too; a second masking changes nothing."""
    text = "；".join(before + one for before, one in zip(around, found, strict=False)) + around[-1]
    masker = Masker()
    masked = masker.masked(text.translate(WIDE) if is_wide else text)
    for one in found:
        assert one not in masked
        assert "".join(one.split()).replace("-", "") not in masked.replace(" ", "")
    assert sum(character.isdigit() for character in masked.replace("80000元", "")) == 0
    assert Masker().masked(masked) == masked
    assert masker.replaced


def test_a_code_that_begins_like_a_telephone_is_masked_whole() -> None:
    """Half a code identifies still."""
    assert Masker().masked("代码13000000000A000AAA，电话13000000000。") == "代码【某号码】，电话【某联系方式】。"


@given(st.text(alphabet="当事人张三李四销售，。：（）【】某甲公司路12345678号鄂A·@ab元〔〕", max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    """Also on texts made of nothing but traps."""
    once = Masker().masked(text)
    assert Masker().masked(once) == once


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("当事人张三销售假酒，张三否认。", ["张三"]),
        ("犯罪嫌疑人欧阳小明、李四系同伙。", ["欧阳小明", "李四"]),
        ("王建国（男，绰号老王）到案。", ["王建国"]),
        ("经营者阿卜杜拉·买买提到场。", ["阿卜杜拉", "买买提"]),
        ("联系赵丽女士核实。", ["赵丽"]),
        ("联系人：帖木儿，电话不详。", ["帖木儿"]),
        ("从武汉红星商贸有限公司购进。", ["红星"]),
        ("在嘉兴丽人医美门诊部查获。", ["嘉兴丽人", "丽人"]),
        ("当事人经营的刘记烧烤店被查。", ["刘记"]),
        ("位于武汉市洪山区珞喻路123号2栋301室。", ["武汉", "洪山", "珞喻路", "301"]),
        ("洪市监处罚〔2026〕12号决定书。", ["洪市监", "12号"]),
        ("见(2023)鄂0111刑初123号判决。", ["0111", "123号"]),
        ("微信号zhangsan_88，邮箱a.b@qq.com。", ["zhangsan_88", "a.b@qq.com"]),
        ("手机一三八零零一三八零零零。", ["一三八零零"]),
        ("组织机构代码12345678-9。", ["12345678"]),
    ],
)
def test_names_places_and_documents_are_masked(text: str, hidden: list[str]) -> None:
    """Found by what stands around them."""
    masked = Masker().masked(text)
    assert not [one for one in hidden if one in masked], masked


@pytest.mark.parametrize(
    "text",
    [
        "销售金额80000元，货值金额12.5万元，违法所得1234567元。",
        "根据高检会〔2006〕2号第五条，应当移送公安机关。",
        "参照法释〔2022〕12号的数额标准，适用刑法第一百四十四条。",
        "该公司在店内销售，本店未办理许可。",
        "检察机关建议先行固定电子数据。",
        "在他人厂区土法提炼硫磺，走村串户销售。",
        "裁缝厂内有假冒棉服3400件，无照经营。",
    ],
)
def test_what_identifies_nobody_stays(text: str) -> None:
    """Amounts, law and generic words are what a precedent is read for."""
    assert Masker().masked(text) == text


SURNAMES = "王李张刘陈杨黄赵周吴徐孙朱马胡郭何高林萧蔡覃上官欧阳诸葛"
GIVEN = ("伟", "芳", "秀英", "建国", "志强", "子涵", "欣怡", "平", "海燕", "晓东")
SAID = (
    "当事人{}销售假冒白酒八万元。", "犯罪嫌疑人{}已被刑事拘留。", "法定代表人{}到场配合检查。", "{}（男，汉族）经营该店。",
    "证人{}的证言证实上述事实。", "联系人：{}，请核实。", "当事人{}在其店内经营。", "经营者{}称不知情。",
)  # fmt: skip


@pytest.mark.parametrize("said", SAID)
def test_common_names_are_masked_wherever_a_label_stands(said: str) -> None:
    """Every surname with every given name, one and two characters long."""
    surnames = [*SURNAMES[:22], "上官", "欧阳", "诸葛"]
    names = [surname + given for surname in surnames for given in GIVEN]
    assert [name for name in names if name in Masker().masked(said.replace("{}", name))] == []


def test_one_name_has_one_mask_and_two_have_two() -> None:
    """A reader can tell who did what; a name betrayed anywhere is masked everywhere."""
    masker = Masker([Named("红星", pb.MASK_KIND_NAMED), Named("洪山区市场监管局", pb.MASK_KIND_UNIT)])
    masker.learn("当事人：周海。")
    first, second = (
        masker.masked("周海卖给吴强先生，吴强付款。"),
        masker.masked("洪山区市场监管局询问周海，牌子是红星。"),
    )
    assert first == "【某人甲】卖给【某人乙】先生，【某人乙】付款。"
    assert second == "【某机关甲】询问【某人甲】，牌子是【某】。"
    counts = {one.original: one.count for one in masker.replaced}
    assert counts == {"周海": 2, "吴强": 2, "洪山区市场监管局": 1, "红星": 1}
