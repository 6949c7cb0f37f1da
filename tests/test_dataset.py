"""What goes together in the section of a table, and what is said where it does not."""

import pytest

from stages.core.declared import params, sources, strict_yaml
from stages.core.declared.strict_yaml import Wrong
from tools.add import look, sections

COLUMNS = {"person": "category", "age": "number", "day": "date", "note": "text", "ill": "category"}
READER = {"format": "table", "file": "people.csv", "columns": COLUMNS}


def chosen(reader=(), **groups):
    """The section of a table with these keys changed, by group."""
    found = look.Found(READER | dict(reader), "binary", 500, [])
    source = sections.source_of("People", found, {"people.csv": b"", "later.csv": b""})
    section = sections.section_of(found, look.Asked("ill"))
    for group, keys in groups.items():
        section[group] |= keys
    tree = {"source": "official", "seed": 0, "split_seed": 0, "sweeps": {}}
    tree["datasets"] = {"people": section}
    source = sources.parse(strict_yaml.write(source))
    return params.parse(strict_yaml.write(tree), {"people": source}).datasets["people"]


def test_features_are_all_columns_but_the_target_the_group_and_what_is_dropped():
    data = chosen(data={"group": "person", "drop": ["note"]}).data
    assert data.features(COLUMNS) == {"age": "number", "day": "date"}
    assert chosen(data={"time": "day"}).data.features(COLUMNS) == {
        name: kind for name, kind in COLUMNS.items() if name != "ill"
    }


def test_rows_of_a_file_are_the_test_where_there_is_such_a_file():
    reader = {"test_file": "later.csv"}
    assert chosen(reader, data={"test": "file"}).data.test == "file"
    with pytest.raises(Wrong, match=r"data\.test: expected file, got 0\.2"):
        chosen(reader)
    with pytest.raises(Wrong, match=r"reader\.test_file: expected one of `files`"):
        chosen({"test_file": "other.csv"})


@pytest.mark.parametrize("signs", [".", "$5", "-"])
def test_signs_that_say_something_in_a_number_are_refused(signs):
    with pytest.raises(Wrong, match=r"reader.*: expected characters in signs"):
        chosen({"signs": signs})


def test_a_column_that_is_not_there_is_told_once():
    with pytest.raises(Wrong) as caught:
        chosen(data={"time": "gone", "drop": ["b", "a"]})
    assert [line.split("got ")[-1] for line in str(caught.value).splitlines()] == [
        "'gone'",
        "'b'",
        "'a'",
    ]


def test_words_in_order_need_a_single_column_of_text():
    text = {"encoding": "multi_hot", "num_words": 100}
    fit = {"weighting": "binary"}
    with pytest.raises(Wrong, match=r"data\.drop: expected it to leave a single column of text"):
        chosen(preprocess=text, fit=fit)


def test_in_time_no_fold_gets_its_epoch_from_later_ones():
    best = {"epochs": "best"}
    assert chosen(kfold=best).kfold.epochs == "best"
    with pytest.raises(Wrong, match=r"kfold\.epochs: expected a number beside data\.time"):
        chosen(data={"time": "day"}, kfold=best)
