from features.usability.survey import signals_without


def test_signals_without_a_column_are_those_that_need_it() -> None:
    assert signals_without("order_lines", "cost").startswith("gross_margin, ")
    assert " more" in signals_without("order_lines", "cost")
    assert signals_without("interactions", "cost").startswith("cost_to_serve")
    assert signals_without("customers", "name") == ""
