"""Part plans: in which sizes a blob is sent, as tables. Nothing is sent here; test_upload_ways does that."""

import pytest

from dxf import Limits
from dxf.transfer.part_plan import MAX_PART, REMEMBERED_PART, PartPlan, make_plan
from dxf.transfer.refused_sizes import RefusedSizes

MIB = 1 << 20
LIMITS = Limits(part=100, small_part=10)


def refused(patch: int | None = None, put: int | None = None) -> RefusedSizes:
    """Return what a registry has refused."""
    sizes = RefusedSizes()
    for size, by_patch in ((patch, True), (put, False)):
        if size is not None:
            sizes.learn(size, by_patch=by_patch)
    return sizes


def tried(plan: PartPlan) -> list[int]:
    """Return the sizes that a plan tries, if the registry refuses one after the other."""
    sizes = [plan.part]
    while plan.alternatives:
        plan = plan.after_refusal(refused())
        sizes.append(plan.part)
    return sizes


def parts_of(plan: PartPlan, known: RefusedSizes, rate: float = 0.0, shortest: int = 0, is_early: bool = False
             ) -> list[int]:
    """Return the lengths of all parts, for a line that stays as fast."""
    ends = [0]
    while len(ends) < 2 or ends[-1] < plan.size:
        ends.append(plan.end_of_part(ends[-1], known, shortest=shortest, rate=rate, is_early=is_early))
    return [end - start for start, end in zip(ends, ends[1:])]


@pytest.mark.parametrize(('size', 'limits', 'sizes'), [
    pytest.param(0, LIMITS, [1], id='an empty blob: one PUT'),
    pytest.param(1, LIMITS, [1], id='a byte: one PUT'),
    pytest.param(10, LIMITS, [10], id='no larger than a small part: one PUT'),
    pytest.param(11, LIMITS, [11, 10], id='one PUT, then small parts'),
    pytest.param(100, LIMITS, [100, 10], id='no larger than a part: the same'),
    pytest.param(101, LIMITS, [100, 101, 10], id='parts, one PUT, small parts'),
    pytest.param(101, Limits(part=10, small_part=10), [10, 101], id='equal sizes are tried once'),
    pytest.param(101, Limits(part=100, small_part=500), [100, 101], id='a small part that is larger than the blob'),
])
def test_sizes_are_tried_in_this_order(size: int, limits: Limits, sizes: list[int]) -> None:
    assert tried(make_plan(size, limits, refused())) == sizes


@pytest.mark.parametrize(('size', 'known', 'sizes'), [
    pytest.param(101, refused(patch=100), [101, 10], id='parts of 100 were refused'),
    pytest.param(101, refused(patch=99), [101, 10], id='so were smaller ones'),
    pytest.param(101, refused(patch=101), [100, 101, 10], id='only larger ones were'),
    pytest.param(101, refused(put=101), [100, 10], id='such a PUT was refused'),
    pytest.param(101, refused(patch=5), [101], id='any part was refused'),
    pytest.param(101, refused(patch=100, put=50), [10], id='small parts are left'),
    pytest.param(101, refused(patch=5, put=50), [100, 101, 10], id='all was refused: all is tried once more'),
    pytest.param(50, refused(put=50), [10], id='a small blob in parts'),
])
def test_what_was_refused_is_not_tried_while_something_else_is_left(size: int, known: RefusedSizes, sizes: list[int]
                                                                    ) -> None:
    assert tried(make_plan(size, LIMITS, known)) == sizes


def test_after_a_refusal_the_next_size_is_one_that_was_not_refused() -> None:
    plan = make_plan(101, LIMITS, refused())
    assert plan.after_refusal(refused(patch=100)).part == 101
    assert plan.after_refusal(refused(patch=100, put=101)).part == 10
    assert plan.after_refusal(refused(patch=5, put=101)).part == 101  # nothing is left: the next in order


@pytest.mark.parametrize(('size', 'options', 'parts'), [
    pytest.param(0, {}, [0], id='nothing, in one PUT'),
    pytest.param(100, {}, [100], id='all in one PUT'),
    pytest.param(101, {}, [100, 1], id='the last part is never empty'),
    pytest.param(200, {}, [100, 100], id='nor here'),
    pytest.param(101, {'shortest': 60}, [100, 1], id='the registry would take shorter parts'),
    pytest.param(250, {'shortest': 120}, [120, 120, 10], id='the registry wants longer parts'),
    pytest.param(150, {'shortest': 150}, [150], id='it wants parts as long as the blob'),
    pytest.param(101, {'is_early': True}, [25, 25, 25, 25, 1], id='small while it may turn out that it has the blob'),
    pytest.param(101, {'is_early': True, 'shortest': 60}, [60, 41], id='but no smaller than the registry wants'),
    pytest.param(100, {'is_early': True}, [100], id='one PUT is one PUT'),
    pytest.param(101, {'known': refused(put=1)}, [100, 1], id='a PUT of any size was refused: that is no size'),
    pytest.param(180, {'known': refused(put=60)}, [100, 70, 10], id='a last part of 80 would be refused'),
    pytest.param(160, {'known': refused(put=60)}, [100, 50, 10], id='so would one of 60'),
    pytest.param(159, {'known': refused(put=60)}, [100, 59], id='one of 59 is not'),
    pytest.param(180, {'known': refused(put=8)}, [100, 76, 4], id='half of what was refused'),
])
def test_a_blob_is_cut_into_parts(size: int, options: dict[str, object], parts: list[int]) -> None:
    known = options.pop('known', refused())
    assert isinstance(known, RefusedSizes)
    assert parts_of(make_plan(size, LIMITS, refused()), known, **options) == parts  # type: ignore[arg-type]


LARGE = 4 << 30
LARGE_LIMITS = Limits(part=64 * MIB)


@pytest.mark.parametrize(('rate', 'known', 'part'), [
    pytest.param(1 * MIB, refused(), 64 * MIB, id='a slow line'),
    pytest.param(32 * MIB, refused(), 64 * MIB, id='a part takes two seconds'),
    pytest.param(100 * MIB, refused(), 200 * MIB, id='a fast line'),
    pytest.param(9999 * MIB, refused(), MAX_PART, id='a very fast line'),
    pytest.param(100 * MIB, refused(patch=200 * MIB), 64 * MIB, id='the registry has refused such a part'),
    pytest.param(100 * MIB, refused(patch=201 * MIB), 200 * MIB, id='it has refused larger ones only'),
])
def test_parts_grow_on_a_fast_line(rate: float, known: RefusedSizes, part: int) -> None:
    assert make_plan(LARGE, LARGE_LIMITS, refused()).end_of_part(0, known, rate=rate) == part


def test_parts_of_an_upload_that_another_process_may_continue_stay_small() -> None:
    plan = make_plan(LARGE, LARGE_LIMITS, refused(), is_remembered=True)
    assert plan.end_of_part(0, refused(), rate=9999 * MIB) == REMEMBERED_PART
    assert tried(plan) == [REMEMBERED_PART, LARGE, LARGE_LIMITS.small_part]


def test_parts_that_are_small_already_do_not_grow() -> None:
    plan = make_plan(LARGE, Limits(part=4 * MIB), refused())
    assert plan.end_of_part(0, refused(), rate=9999 * MIB) == 4 * MIB
