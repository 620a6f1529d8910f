"""Counts distinct values in two levels: first one row per group and value, then the rows.

An engine that counts in one level sends the set of all values of a group between its workers. Of
millions of jobs, that is more than some of them can send at once. Here each worker counts rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exporter.extras import extra

with extra("spark", "--remote"):
    from sqlglot import exp

_OTHERS: Final = "others"
_COUNTS: Final = "counts"
_WHOLE: Final = "is_whole"
_VALUES: Final = "per_value"
_KEPT: Final = "is_kept"
_VALUE: Final = "counted"


class Unsplittable(Exception):
    """A count of distinct values that is not alone in its column, or of several columns."""


@dataclass(frozen=True)
class _Count:
    """A column that counts distinct values.

    Attributes:
        name: The column.
        value: What is counted.
        condition: Which rows count; None = all.
    """

    name: str
    value: exp.Column
    condition: exp.Expr | None


def in_two_levels(tree: exp.Select) -> exp.Select:
    """Return a select without count(DISTINCT …): its counts come from a join with two levels.

    Raises:
        Unsplittable: The select counts in a way that this does not know.
    """
    counts = [_count(item) for item in tree.selects if _is_count(item.unalias())]
    if len(counts) != sum(map(_is_count, tree.find_all(exp.Count))):
        raise Unsplittable("count(DISTINCT …) within an expression")
    if not counts:
        return tree
    if any(each.value != counts[0].value for each in counts):
        raise Unsplittable("count(DISTINCT …) of several columns")
    keys, has_whole = _keys(tree.args.get("group"))
    joined = _join(tree, keys, counts, has_whole=has_whole)
    return joined


def _is_count(node: exp.Expr) -> bool:
    return isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct)


def _count(item: exp.Expr) -> _Count:
    (operand,) = item.unalias().this.expressions
    condition = None
    if isinstance(operand, exp.Case) and not operand.args.get("default") and operand.args["ifs"]:
        (branch,) = operand.args["ifs"]
        condition, operand = branch.this, branch.args["true"]
    if not isinstance(operand, exp.Column):
        raise Unsplittable(f"count(DISTINCT {operand.sql('duckdb')})")
    return _Count(item.alias, operand, condition)


def _keys(group: exp.Group | None) -> tuple[list[exp.Expr], bool]:
    """Return the columns of GROUP BY, and whether a group of all rows stands beside theirs."""
    if group is None:
        return [], False
    match group.expressions:
        case [exp.GroupingSets(expressions=[first, exp.Tuple(expressions=[])])]:
            return list(first.expressions or [first.this]), True
        case keys if all(isinstance(key, exp.Column) for key in keys) and keys:
            return list(keys), False
    raise Unsplittable("count(DISTINCT …) over other groups than each and all")


def _join(
    tree: exp.Select, keys: Sequence[exp.Expr], counts: Sequence[_Count], *, has_whole: bool
) -> exp.Select:
    """Return the join of the other columns with the counts."""
    names = [f"key_{number}" for number in range(len(keys))]
    counted = _counted(tree, dict(zip(names, keys, strict=True)), counts, has_whole=has_whole)
    wanted = {each.name for each in counts}
    shown = []
    for item in tree.selects:
        name = item.alias
        column: exp.Expr = exp.column(name, table=_OTHERS, quoted=True)
        if name in wanted:
            column = exp.Coalesce(
                this=exp.column(name, table=_COUNTS, quoted=True), expressions=[_number(0)]
            )
        column.type = item.unalias().type
        shown.append(exp.alias_(column, name, quoted=True))
    others = tree.copy()
    ending = {name: others.args.get(name) for name in ("order", "limit")}
    for name in ending:
        others.set(name, None)
    kept = [item for item in others.selects if item.alias not in wanted]
    hidden = [exp.alias_(key.copy(), name) for name, key in zip(names, keys, strict=True)]
    if has_whole:
        hidden.append(exp.alias_(exp.Grouping(expressions=[keys[0].copy()]), _WHOLE))
        names = [*names, _WHOLE]
    having = others.args.get("having")
    if having is not None:
        # Spark finds no grouping() in HAVING.
        hidden.append(exp.alias_(having.this.copy(), _KEPT))
        others.set("having", None)
    others.set("expressions", [*kept, *hidden])
    condition = exp.and_(
        exp.true(),
        *(
            exp.NullSafeEQ(
                this=exp.column(name, table=_OTHERS), expression=exp.column(name, table=_COUNTS)
            )
            for name in names
        ),
    )
    made = exp.select(*shown).from_(others.subquery(_OTHERS))
    made = made.join(counted.subquery(_COUNTS), on=condition, join_type="left")
    if having is not None:
        made = made.where(exp.column(_KEPT, table=_OTHERS))
    for name, part in ending.items():
        made.set(name, part)
    return made


def _counted(
    tree: exp.Select, keys: dict[str, exp.Expr], counts: Sequence[_Count], *, has_whole: bool
) -> exp.Select:
    """Return the counts, with the keys of their groups."""
    value = counts[0].value
    flags = [
        exp.alias_(exp.LogicalOr(this=each.condition or exp.true()), f"flag_{number}")
        for number, each in enumerate(counts)
    ]
    named = [exp.alias_(key.copy(), name) for name, key in keys.items()]
    names = list(keys)
    columns = [*(key.copy() for key in keys.values()), value.copy()]
    group = exp.Group(expressions=columns)
    if has_whole:
        named.append(exp.alias_(exp.Grouping(expressions=[columns[0].copy()]), _WHOLE))
        names.append(_WHOLE)
        sets = [exp.Tuple(expressions=columns), exp.Tuple(expressions=[value.copy()])]
        group = exp.Group(expressions=[exp.GroupingSets(expressions=sets)])
    values = exp.select(*named, exp.alias_(value.copy(), _VALUE), *flags)
    for part in ("from_", "joins", "where"):
        found = tree.args.get(part)
        copied = [each.copy() for each in found] if isinstance(found, list) else found
        values.set(part, copied.copy() if isinstance(copied, exp.Expr) else copied)
    values.set("group", group)
    numbers = [
        exp.alias_(
            exp.Count(this=_if(exp.column(f"flag_{number}", table=_VALUES))), each.name, quoted=True
        )
        for number, each in enumerate(counts)
    ]
    found = [exp.column(name, table=_VALUES) for name in names]
    made = exp.select(*found, *numbers).from_(values.subquery(_VALUES))
    return made.group_by(*(each.copy() for each in found)) if found else made


def _if(condition: exp.Expr) -> exp.Expr:
    counted = exp.column(_VALUE, table=_VALUES)
    return exp.Case(ifs=[exp.If(this=condition, true=counted)])


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)
