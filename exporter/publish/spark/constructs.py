"""Constructs of DuckDB's SQL and what Spark writes for them; any other is refused by name.

A rule receives a node of the tree whose operands are rewritten already, and returns Spark's form.
Comments name what sqlglot alone would translate silently into something else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from exporter.extras import extra
from exporter.store.view_files import compose

with extra("spark", "--remote"):
    from sqlglot import exp
    from sqlglot.transforms import eliminate_qualify, eliminate_window_clause

#: Stands for DuckDB's 'infinity'; Spark has no such timestamp.
_FOREVER: Final = "9999-12-31 23:59:59"
#: The type of a JSON object for Spark, whatever its keys.
_OBJECT: Final = "MAP<STRING, STRING>"
_MICROSECONDS: Final = 1_000_000
INTEGERS: Final = {
    exp.DType.TINYINT,
    exp.DType.SMALLINT,
    exp.DType.INT,
    exp.DType.BIGINT,
    exp.DType.INT128,
    exp.DType.UBIGINT,
}
#: Column of training_job_details in a lake -> the SQL of reports that derives it.
DERIVED: Final = {
    "training_began_at": compose("/*part training_began_at*/"),
    "is_interrupted": "list_contains(json_extract_string("
    "detail.status_transitions, '$[*].Status'), 'Interrupted')",
}
_FLOATS: Final = {exp.DType.DOUBLE, exp.DType.FLOAT}
TIMESTAMPS: Final = {
    exp.DType.TIMESTAMP,
    exp.DType.TIMESTAMPTZ,
    exp.DType.TIMESTAMPLTZ,
    exp.DType.TIMESTAMPNTZ,
}
_TEXTS: Final = {exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.JSON}


class UnknownConstruct(Exception):
    """A construct for which there is no rule; the text names it."""


def spark_type(kind: exp.DataType) -> str:
    """Return Spark's name of a type of DuckDB.

    Raises:
        UnknownConstruct: Spark has no such type.
    """
    of = kind.this
    if of in TIMESTAMPS:
        return "TIMESTAMP"  # sessions are in UTC, so those without a zone are the same
    if of in _TEXTS:
        return "STRING"
    if of in (exp.DType.INT128, exp.DType.UBIGINT):
        return "DECIMAL(38, 0)"
    if of is exp.DType.DECIMAL:
        return f"DECIMAL({', '.join(each.this.name for each in kind.expressions)})"
    if of in (exp.DType.ARRAY, exp.DType.LIST):
        return f"ARRAY<{spark_type(kind.expressions[0])}>"
    if of is exp.DType.STRUCT:
        fields = ", ".join(
            f"`{each.name}`: {spark_type(each.args['kind'])}" for each in kind.expressions
        )
        return f"STRUCT<{fields}>"
    if of is exp.DType.VARBINARY:
        return "BINARY"
    if of in (exp.DType.UNKNOWN, exp.DType.NULL):
        return "INT"
    if of in (
        exp.DType.BOOLEAN,
        exp.DType.DATE,
        exp.DType.DOUBLE,
        exp.DType.TINYINT,
        exp.DType.SMALLINT,
        exp.DType.INT,
        exp.DType.BIGINT,
    ):
        return str(of.value)
    raise UnknownConstruct(f"the type {kind.sql('duckdb')}")


def replaced(tree: exp.Select) -> exp.Select:
    """Return a qualified and typed query with Spark's constructs.

    Raises:
        UnknownConstruct: One has no rule.
    """
    nodes = list(tree.walk(bfs=True))
    for node in reversed(nodes):
        new = _replaced(node)
        if new is not node:
            if new.type is None:
                new.type = node.type
            if node is not tree:
                node.replace(new)
            elif isinstance(new, exp.Select):
                tree = new
    return tree


def _replaced(node: exp.Expr) -> exp.Expr:
    kind = type(node)
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        if name not in _FUNCTIONS:
            raise UnknownConstruct(f"the function {name}")
        return _FUNCTIONS[name](node)
    if kind in _RULES:
        return _RULES[kind](node)
    if kind in _SAME:
        return node
    raise UnknownConstruct(f"{kind.__name__} ({node.sql('duckdb')[:60]})")


def _call(name: str, *operands: exp.Expr | str | int) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[_expr(each) for each in operands])


def _expr(value: exp.Expr | str | int) -> exp.Expr:
    if isinstance(value, exp.Expr):
        return value
    return exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)


def _typed(node: exp.Expr, kind: str) -> exp.Expr:
    node.type = exp.DataType.build(kind, dialect="duckdb")
    return node


def _cast(node: exp.Expr, kind: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="spark"))


def _is(node: exp.Expr | None, kinds: set[exp.DType]) -> bool:
    return node is not None and node.type is not None and node.type.this in kinds


def _known(node: exp.Expr, what: str) -> exp.DType:
    kind = node.type.this if node.type is not None else exp.DType.UNKNOWN
    if kind is exp.DType.UNKNOWN:
        raise UnknownConstruct(f"{what} of an unknown type ({node.sql('duckdb')[:80]})")
    return kind


def _seconds(node: exp.Expr) -> exp.Expr:
    """epoch(t): seconds with their fraction; sqlglot's unix_timestamp would drop it.

    DuckDB adds milliseconds ÷ 1000 and the microseconds below them ÷ 1,000,000. The last bit of the
    sum can differ from that of microseconds ÷ 1,000,000.
    """
    if _known(node.this, "epoch") is not exp.DType.TIMESTAMPTZ:
        raise UnknownConstruct("epoch of other than TIMESTAMPTZ")
    micros = _call("unix_micros", node.this)
    below = _call("pmod", micros, _expr(1000))
    millis = _call("div", exp.Sub(this=micros.copy(), expression=below.copy()), _expr(1000))
    return exp.Paren(
        this=exp.Add(this=_fraction(millis, 1000), expression=_fraction(below, _MICROSECONDS))
    )


def _fraction(count: exp.Expr, of: int) -> exp.Expr:
    """Return a whole number of fractions as a double."""
    return exp.Div(this=_cast(count, "DOUBLE"), expression=_cast(_expr(of), "DOUBLE"))


def _casting(node: exp.Cast) -> exp.Expr:
    source, to = node.this, node.to
    if to.this in INTEGERS and not isinstance(source, exp.Null):
        kind = _known(source, "a cast")
        # DuckDB rounds, and Spark truncates.
        if kind in _FLOATS:
            source = _call("rint", source)
        elif kind is exp.DType.DECIMAL:
            source = _call("round", source)
    if to.this in _TEXTS and not isinstance(source, exp.Null):
        kind = _known(source, "a cast to text")
        if kind in _TEXTS:
            text: exp.Expr = node.this
            return text
        if kind not in INTEGERS | {exp.DType.DECIMAL}:
            raise UnknownConstruct(f"text of {kind.value}")
    new = type(node)(this=source, to=exp.DataType.build(spark_type(to), dialect="spark"))
    new.type = to
    return new


def _quotient(node: exp.Div) -> exp.Expr:
    """`/`: DuckDB divides decimals and integers as doubles."""
    left, right = _double(node.left), _double(node.right)
    return exp.Div(this=left, expression=right)


def _double(node: exp.Expr) -> exp.Expr:
    return (
        node if _is(node, _FLOATS) and not isinstance(node, exp.Literal) else _cast(node, "DOUBLE")
    )


def _floor(node: exp.Floor) -> exp.Expr:
    """floor(x) of a double: Spark's is a BIGINT, which × a literal is an exact decimal."""
    if _is(node.this, INTEGERS | {exp.DType.DECIMAL}):
        raise UnknownConstruct("floor of other than DOUBLE")
    return _cast(node.copy(), "DOUBLE")


def _remainder(node: exp.Anonymous) -> exp.Expr:
    """fmod(x, y), whatever the types, of doubles."""
    left, right = (_cast(each, "DOUBLE") for each in node.expressions)
    return exp.Mod(this=left, expression=right)


def _whole_quotient(node: exp.IntDiv) -> exp.Expr:
    """`//` of whole numbers, which Spark's `div` rounds toward zero as well."""
    for side in (node.left, node.right):
        if _known(side, "//") not in INTEGERS:
            raise UnknownConstruct("// of other than whole numbers")
    return exp.Anonymous(this="div", expressions=[node.left, node.right])


def _sum(node: exp.Sum) -> exp.Expr:
    if isinstance(node.this, exp.Distinct):
        raise UnknownConstruct("sum(DISTINCT …)")
    if _known(node.this, "a sum") in INTEGERS:
        # DuckDB adds up whole numbers in 128 bits.
        return exp.Sum(this=_cast(node.this, "DECIMAL(38, 0)"))
    return node


def _moved(node: exp.Add | exp.Sub) -> exp.Expr:
    """+ and − of times; numbers stay."""
    left, right = node.left, node.right
    if isinstance(right, exp.Anonymous) and right.name == "to_seconds":
        micros = _call("unix_micros", left)
        sum_ = type(node)(this=micros, expression=right.expressions[0])
        return _typed(_call("timestamp_micros", sum_), "timestamptz")
    if isinstance(right, exp.Interval):
        if _known(left, "a time") is exp.DType.DATE:
            left = _cast(left, "TIMESTAMP")
        return _typed(type(node)(this=left, expression=right), "timestamptz")
    if _is(left, {exp.DType.DATE}):
        return _moved_day(node)
    if _is(left, TIMESTAMPS) or _is(right, TIMESTAMPS):
        raise UnknownConstruct(f"− of times ({node.sql('duckdb')[:80]}); subtract epoch()")
    return node


def _moved_day(node: exp.Add | exp.Sub) -> exp.Expr:
    """A date − a date, in days, or a date ± days."""
    left, right = node.left, node.right
    if _is(right, {exp.DType.DATE}) and isinstance(node, exp.Sub):
        return _typed(_cast(_call("datediff", left, right), "BIGINT"), "bigint")
    if not _is(right, INTEGERS):
        raise UnknownConstruct("+ or − of a date and something else")
    days = exp.Neg(this=exp.Paren(this=right)) if isinstance(node, exp.Sub) else right
    return _typed(_call("date_add", left, _cast(days, "INT")), "date")


def _to_seconds(node: exp.Anonymous) -> exp.Expr:
    """to_seconds(n), as microseconds: `_moved` adds them."""
    (operand,) = node.expressions
    micros: exp.Expr = exp.Mul(this=exp.Paren(this=operand), expression=_expr(_MICROSECONDS))
    micros = _call("rint", micros) if _known(operand, "to_seconds") in _FLOATS else micros
    return exp.Anonymous(this="to_seconds", expressions=[_cast(micros, "BIGINT")])


def _any_value(node: exp.Expr) -> exp.Expr:
    # All values of a group are equal, or one is as good as another: the largest is the same
    # everywhere. Spark's any_value would also take NULLs.
    inner = node.this if isinstance(node, exp.IgnoreNulls) else node
    if isinstance(inner, exp.Anonymous) and inner.name == "max":
        return inner
    if not isinstance(inner, exp.AnyValue):
        raise UnknownConstruct(f"IGNORE NULLS ({node.sql('duckdb')[:60]})")
    return _call("max", inner.this)


def _filtered(aggregate: exp.Expr, where: exp.Expr | None) -> exp.Expr:
    return aggregate if where is None else exp.Filter(this=aggregate, expression=where)


def _aggregate(node: exp.Expr) -> exp.Expr:
    """An aggregate whose form depends on its FILTER; `_filter` calls this if there is one."""
    return node if isinstance(node.parent, exp.Filter) else _collected(node, None)


def _filter(node: exp.Filter) -> exp.Expr:
    if type(node.this) in _COLLECTED:
        return _collected(node.this, node.expression)
    return node


def _collected(node: exp.Expr, where: exp.Expr | None) -> exp.Expr:
    new = _COLLECTED[type(node)](node, where)
    new.type = node.type
    return new


def _list(node: exp.ArrayAgg, where: exp.Expr | None) -> exp.Expr:
    """list(x [ORDER BY …]) keeps NULLs, which collect_list drops."""
    item, orders = node.this, []
    if isinstance(item, exp.Distinct):
        return _filtered(_call("collect_set", *item.expressions), where)
    if isinstance(item, exp.Order):
        item, orders = item.this, item.expressions
    fields: list[exp.Expr] = []
    for number, order in enumerate(orders):
        value = order.this
        if order.args.get("desc"):
            if not _is(value, _FLOATS | INTEGERS):
                raise UnknownConstruct("list(… ORDER BY text DESC)")
            value = exp.Neg(this=value)
        fields += [_expr(f"order_{number}"), value.copy()]
    collected: exp.Expr = _filtered(
        _call("collect_list", _call("named_struct", *fields, "value", item.copy())), where
    )
    if orders:
        collected = _call("array_sort", collected)
    return _none_if_empty(
        _each(collected, lambda step: exp.Dot(this=step, expression=exp.to_identifier("value")))
    )


def _none_if_empty(array: exp.Expr) -> exp.Expr:
    """DuckDB's list of no rows is NULL."""
    has_rows = exp.GT(this=_call("size", array.copy()), expression=_expr(0))
    return exp.Case(ifs=[exp.If(this=has_rows, true=array)])


def _each(array: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    name = exp.to_identifier("item")
    return _call("transform", array, exp.Lambda(this=change(name.copy()), expressions=[name]))


def _joined(node: exp.GroupConcat, where: exp.Expr | None) -> exp.Expr:
    item = node.this
    if not isinstance(item, exp.Order) or [each.this for each in item.expressions] != [item.this]:
        raise UnknownConstruct("string_agg that is not in the order of its texts")
    collected = _filtered(_call("collect_list", item.this), where)
    made = _call("array_join", _call("array_sort", collected), node.args["separator"])
    made.type = exp.DataType.build("text")
    return _call("nullif", made, "")


def _quantile(node: exp.PercentileDisc, where: exp.Expr | None) -> exp.Expr:
    """quantile_disc(x, q): of n sorted values, number max(1, n − floor(n − q × n))."""
    sorted_values = _call("sort_array", _filtered(_call("collect_list", node.this), where))

    def of(values: exp.Expr) -> exp.Expr:
        size = _cast(_call("size", values), "DOUBLE")

        def value(part: exp.Expr) -> exp.Expr:
            below = exp.Mul(this=_cast(part, "DOUBLE"), expression=size.copy())
            above = _call("floor", exp.Sub(this=size.copy(), expression=below))
            number = exp.Sub(this=size.copy(), expression=above)
            return _call(
                "try_element_at", values.copy(), _cast(_call("greatest", _expr(1), number), "INT")
            )

        if isinstance(node.expression, exp.Literal):
            return value(node.expression)
        has_values = exp.GT(this=size.copy(), expression=_expr(0))
        return exp.Case(ifs=[exp.If(this=has_values, true=_each(node.expression, value))])

    return _computed_once(sorted_values, of)


def _computed_once(value: exp.Expr, use: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Return an expression that uses a value several times: Spark sorts an array at each use."""
    name = exp.to_identifier("computed")
    used = exp.Lambda(this=use(name.copy()), expressions=[name])
    return _call("element_at", _call("transform", _call("array", value), used), _expr(1))


def _at_utc(node: exp.AtTimeZone) -> exp.Expr:
    if node.args["zone"].name != "UTC":
        raise UnknownConstruct("AT TIME ZONE of another zone than UTC")
    moment: exp.Expr = node.this
    return moment


def _month(node: exp.TimestampTrunc) -> exp.Expr:
    if node.args["unit"].name != "MONTH":
        raise UnknownConstruct("date_trunc of another unit than months")
    made = _cast(_call("trunc", _cast(node.this, "DATE"), "MM"), "TIMESTAMP")
    made.type = exp.DataType.build("timestamp")
    return made


def _year_and_month(node: exp.TimeToStr) -> exp.Expr:
    if node.args["format"].name != "%Y-%m":
        raise UnknownConstruct("strftime of another format than %Y-%m")
    return _call("date_format", node.this, "yyyy-MM")


def _structured(node: exp.FromJson) -> exp.Expr:
    """from_json of a list of objects; times are read as texts, since engines differ in formats."""
    fields = json.loads(node.expression.name)
    if not (isinstance(fields, list) and len(fields) == 1 and isinstance(fields[0], dict)):
        raise UnknownConstruct("from_json of other than a list of objects")
    texts = {name: "BIGINT" if of == "BIGINT" else "STRING" for name, of in fields[0].items()}
    described = ", ".join(f"{name}: {of}" for name, of in texts.items())
    made: exp.Expr = _call("from_json", node.this, f"ARRAY<STRUCT<{described}>>")

    def typed(step: exp.Expr) -> exp.Expr:
        pairs: list[exp.Expr] = []
        for name, of in fields[0].items():
            value: exp.Expr = exp.Dot(this=step.copy(), expression=exp.to_identifier(name))
            # Names in lower case, as DuckDB compares them: some engines compare the case as well.
            pairs += [
                _expr(name.lower()),
                _cast(value, "TIMESTAMP") if of == "TIMESTAMPTZ" else value,
            ]
        return _call("named_struct", *pairs)

    return _each(made, typed)


def _json_value(node: exp.JSONExtractScalar) -> exp.Expr:
    """json_extract_string(object, '/key'): the value of one key, whatever is in its name."""
    path = node.expression
    if isinstance(path, exp.JSONPath):
        _, *steps = path.expressions
        match steps:
            case [
                exp.JSONPathSubscript(this=exp.JSONPathWildcard()),
                exp.JSONPathKey(this=str(field)),
            ]:
                listed = _call("from_json", node.this, f"ARRAY<STRUCT<{field}: STRING>>")
                return _each(
                    listed, lambda step: exp.Dot(this=step, expression=exp.to_identifier(field))
                )
    if not (
        isinstance(path, exp.Literal) and path.name.startswith("/") and "/" not in path.name[1:]
    ):
        raise UnknownConstruct(f"json_extract_string({path.sql()})")
    key = path.name[1:].replace("~1", "/").replace("~0", "~")
    return _call("try_element_at", _call("from_json", node.this, _OBJECT), key)


def _replaced_once(node: exp.RegexpReplace) -> exp.Expr:
    # DuckDB replaces the first match, and Spark every match: with ^ there is one.
    if not node.expression.name.startswith("^"):
        raise UnknownConstruct("regexp_replace without ^")
    return _call("regexp_replace", node.this, node.expression, node.args["replacement"])


def _grouping(node: exp.Grouping) -> exp.Expr:
    """grouping(a, b): Spark's grouping takes one column."""
    first, *others = (_cast(_call("grouping", column), "BIGINT") for column in node.expressions)
    made: exp.Expr = first
    for one in others:
        doubled = exp.Mul(this=exp.Paren(this=made), expression=_expr(2))
        made = exp.Add(this=doubled, expression=one)
    return exp.Paren(this=made)


def _one_number(node: exp.Anonymous) -> exp.Expr:
    """hash(…) as a key to group by: the values themselves are one, too, and never collide."""
    return _call("struct", *node.expressions)


def _different(node: exp.NullSafeNEQ) -> exp.Expr:
    """IS DISTINCT FROM; rows are compared by field, because not every engine compares them."""
    left, right = node.this, node.expression
    pairs = [(left, right)]
    if isinstance(left, exp.Window) and _is_row(left.this.this) and _is_row(right):
        fields = left.this.this.expressions
        pairs = [
            (_over(left, field), other)
            for field, other in zip(fields, right.expressions, strict=True)
        ]
    equal = exp.and_(
        *(exp.Paren(this=exp.NullSafeEQ(this=one, expression=other)) for one, other in pairs)
    )
    return exp.Paren(this=exp.Not(this=exp.Paren(this=equal)))


def _padded(node: exp.Pad) -> exp.Expr:
    name = "lpad" if node.args.get("is_left") else "rpad"
    return _call(name, node.this, node.expression, node.args["fill_pattern"])


def _is_row(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name == "struct"


def _over(window: exp.Window, operand: exp.Expr) -> exp.Expr:
    """Return the same window function of another operand."""
    made = window.copy()
    made.this.set("this", operand.copy())
    return made


def _literal(node: exp.Literal) -> exp.Expr:
    if node.is_string and node.name == "infinity":
        return _cast(_expr(_FOREVER), "TIMESTAMP")
    return node


def _length(node: exp.Length) -> exp.Expr:
    is_list = _known(node.this, "a length") in (exp.DType.ARRAY, exp.DType.LIST)
    return _call("size" if is_list else "length", node.this)


def _bracket(node: exp.Bracket) -> exp.Expr:
    (index,) = node.expressions
    if not isinstance(index, exp.Literal):
        raise UnknownConstruct("an index that is not a number")
    return _call("try_element_at", node.this, int(index.name) + 1)


def _slice(node: exp.Anonymous) -> exp.Expr:
    array, start, end = node.expressions
    if start.name != "1":
        raise UnknownConstruct("list_slice that does not start at 1")
    return _call("slice", array, start, end)


def _select(node: exp.Select) -> exp.Expr:
    if node.args.get("with_"):
        raise UnknownConstruct("WITH in a subquery")
    if (having := node.args.get("having")) and "GROUPING" in having.sql("spark").upper():
        raise UnknownConstruct("grouping() in HAVING")
    made: exp.Expr = eliminate_window_clause(node) if node.args.get("windows") else node
    return eliminate_qualify(made) if made.args.get("qualify") else made


def _renamed(name: str) -> Callable[[exp.Expr], exp.Expr]:
    def rule(node: exp.Expr) -> exp.Expr:
        operands = node.expressions if isinstance(node, exp.Anonymous) else list(_operands(node))
        return _call(name, *operands)

    return rule


def _operands(node: exp.Expr) -> list[exp.Expr]:
    found: list[exp.Expr] = []
    for value in node.args.values():
        if isinstance(value, list):
            found += value
        elif isinstance(value, exp.Expr):
            found.append(value)
    return found


def _explode(node: exp.Explode) -> exp.Expr:
    if not isinstance(node.parent, exp.Alias):
        raise UnknownConstruct("unnest inside an expression")
    return _call("explode", node.this)


def _join(node: exp.Join) -> exp.Expr:
    if node.args.get("using"):
        raise UnknownConstruct("JOIN … USING")
    if node.method == "ASOF":
        raise UnknownConstruct("ASOF")
    return node


def _windowed(node: exp.Window) -> exp.Expr:
    """An aggregate over a window with FILTER, which not every engine has."""
    if not isinstance(node.this, exp.Filter):
        return node
    aggregate, where = node.this.this, node.this.expression
    (operand,) = (
        _operands(aggregate)[-1:]
        if not isinstance(aggregate, exp.Anonymous)
        else aggregate.expressions
    )
    name = aggregate.name if isinstance(aggregate, exp.Anonymous) else aggregate.sql_name()
    chosen = exp.Case(ifs=[exp.If(this=where.this, true=operand)])
    node.set("this", _call(name, chosen))
    return node


def _range(node: exp.GenerateSeries) -> exp.Expr:
    start, end = node.args["start"], node.args["end"]
    if not (node.args.get("is_end_exclusive") and isinstance(end, exp.Literal)):
        raise UnknownConstruct("generate_series, or a range without a number as its end")
    return _call("sequence", start, int(end.name) - 1)


def _grouped(node: exp.Group) -> exp.Expr:
    """GROUP BY ALL: by every column of the select list that adds nothing up."""
    if not node.args.get("all"):
        return node
    selects = node.parent_select.selects if node.parent_select is not None else []
    keys = [each.unalias() for each in selects]
    return exp.Group(expressions=[key.copy() for key in keys if not _adds_up(key)])


def _adds_up(node: exp.Expr) -> bool:
    return any(
        isinstance(each, exp.AggFunc)
        or (isinstance(each, exp.Anonymous) and each.name in _AGGREGATES)
        for each in node.walk()
    )


#: Aggregates among the functions that rules write.
_AGGREGATES: Final = {
    "bool_and",
    "bool_or",
    "collect_list",
    "collect_set",
    "max",
    "max_by",
    "min_by",
}


_COLLECTED: Final[dict[type[exp.Expr], Callable[..., exp.Expr]]] = {
    exp.ArrayAgg: _list,
    exp.GroupConcat: _joined,
    exp.PercentileDisc: _quantile,
}
_FUNCTIONS: Final[dict[str, Callable[[exp.Anonymous], exp.Expr]]] = {
    "epoch_us": _renamed("unix_micros"),
    "to_seconds": _to_seconds,
    "hash": _one_number,
    "fmod": _remainder,
    "list_bool_or": lambda node: _call(
        "exists",
        node.expressions[0],
        exp.Lambda(this=exp.to_identifier("item"), expressions=[exp.to_identifier("item")]),
    ),
    "list_slice": _slice,
    "row": _renamed("struct"),
}
_RULES: Final[dict[type[exp.Expr], Callable[..., exp.Expr]]] = {
    exp.Add: _moved,
    exp.AnyValue: lambda node: (
        node if isinstance(node.parent, exp.IgnoreNulls) else _any_value(node)
    ),
    exp.ArgMax: lambda node: _call("max_by", node.this, node.expression),
    exp.ArgMin: lambda node: _call("min_by", node.this, node.expression),
    exp.ArrayAgg: _aggregate,
    exp.ArrayFilter: lambda node: _call("filter", node.this, node.expression),
    exp.ArrayMin: _renamed("array_min"),
    exp.ArraySort: lambda node: _call("sort_array", node.this),
    exp.ArrayContains: lambda node: _call("array_contains", node.this, node.expression),
    exp.ArrayToString: lambda node: _call("array_join", node.this, node.expression),
    exp.ArraySize: lambda node: _call("size", node.this),
    exp.AtTimeZone: _at_utc,
    exp.Bracket: _bracket,
    exp.Cast: _casting,
    exp.TryCast: _casting,
    exp.Contains: _renamed("contains"),
    exp.ConcatWs: _renamed("concat_ws"),
    exp.Day: _renamed("day"),
    exp.Div: _quotient,
    exp.Explode: _explode,
    exp.Filter: _filter,
    exp.Floor: _floor,
    exp.FromJson: _structured,
    exp.GroupConcat: _aggregate,
    exp.GenerateSeries: _range,
    exp.Group: _grouped,
    exp.Grouping: _grouping,
    exp.IgnoreNulls: _any_value,
    exp.IntDiv: _whole_quotient,
    exp.Join: _join,
    # Of both, the larger is nearer. They order names that a message suggests.
    exp.JarowinklerSimilarity: lambda node: exp.Neg(
        this=_call("levenshtein", node.this, node.expression)
    ),
    exp.JSONExtractScalar: _json_value,
    exp.JSONKeys: lambda node: _call("map_keys", _call("from_json", node.this, _OBJECT)),
    exp.Length: _length,
    exp.Literal: _literal,
    exp.LastDay: _renamed("last_day"),
    exp.LogicalAnd: _renamed("bool_and"),
    exp.LogicalOr: _renamed("bool_or"),
    exp.MD5: _renamed("md5"),
    exp.NullSafeNEQ: _different,
    exp.Pad: _padded,
    exp.PercentileDisc: _aggregate,
    exp.RegexpExtract: lambda node: _call(
        "regexp_extract", node.this, node.expression, node.args["group"]
    ),
    exp.RegexpLike: lambda node: _call("regexp_like", node.this, node.expression),
    exp.RegexpReplace: _replaced_once,
    exp.Select: _select,
    exp.SplitPart: _renamed("split_part"),
    exp.Struct: lambda node: _call(
        "named_struct",
        *(part for each in node.expressions for part in (_expr(each.this.name), each.expression)),
    ),
    exp.Sub: _moved,
    exp.Sum: _sum,
    exp.TimestampTrunc: _month,
    exp.TimeToStr: _year_and_month,
    exp.TimeToUnix: _seconds,
    exp.Transform: lambda node: _call("transform", node.this, node.expression),
    exp.Window: _windowed,
    exp.UnixToTime: lambda node: _call("timestamp_micros", node.this),
}
_SAME: Final[frozenset[type[exp.Expr]]] = frozenset(
    {
        exp.Abs,
        exp.Alias,
        exp.And,
        exp.Array,
        exp.Between,
        exp.Boolean,
        exp.Case,
        exp.Coalesce,
        exp.Column,
        exp.ColumnDef,
        exp.Count,
        exp.DataType,
        exp.DataTypeParam,
        exp.Distinct,
        exp.Dot,
        exp.DPipe,
        exp.EQ,
        exp.Exists,
        exp.From,
        exp.Greatest,
        exp.GroupingSets,
        exp.GT,
        exp.GTE,
        exp.Having,
        exp.Identifier,
        exp.If,
        exp.In,
        exp.Interval,
        exp.Is,
        exp.Lambda,
        exp.Lag,
        exp.Lead,
        exp.Least,
        exp.Left,
        exp.Like,
        exp.Limit,
        exp.Lower,
        exp.LT,
        exp.LTE,
        exp.Max,
        exp.Min,
        exp.Mod,
        exp.Mul,
        exp.Neg,
        exp.NEQ,
        exp.Not,
        exp.Null,
        exp.Nullif,
        exp.NullSafeEQ,
        exp.Or,
        exp.Order,
        exp.Ordered,
        exp.Paren,
        exp.PropertyEQ,
        exp.Qualify,
        exp.Rank,
        exp.Round,
        exp.RowNumber,
        exp.Star,
        exp.Subquery,
        exp.Table,
        exp.TableAlias,
        exp.Tuple,
        exp.Union,
        exp.Values,
        exp.Var,
        exp.JSONPath,
        exp.JSONPathKey,
        exp.JSONPathRoot,
        exp.JSONPathSubscript,
        exp.JSONPathWildcard,
        exp.Where,
        exp.WindowSpec,
    }
)
