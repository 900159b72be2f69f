import pytest

from aia.errors import InputError
from aia.labels import ClassList, read_labels, write_labels


def read(tmp_path, text):
    path = tmp_path / "actions.pbtxt"
    path.write_text(text, encoding="utf-8")
    return read_labels(path)


def test_a_file_without_classes_is_refused(tmp_path):
    with pytest.raises(InputError, match="no class in it"):
        read(tmp_path, "\n# nothing here\n")


def test_both_spellings_and_any_line_breaks_are_read(tmp_path):
    labels = read(
        tmp_path,
        'label { name: "bend/bow (at the waist)" label_id: 1 label_type: PERSON_MOVEMENT }\n'
        "item {\n  name: 'say \"hi\"'  # quoted\n  id: 80\n}\n"
        'item: { id: 3, name: "a \\"b\\" {c}" }',
    )
    assert labels.ids == (1, 80, 3)
    assert labels.names == ("bend/bow (at the waist)", 'say "hi"', 'a "b" {c}')
    assert labels.groups == ("PERSON_MOVEMENT", "", "")


def test_the_order_of_the_file_is_the_order_of_the_outputs(tmp_path):
    labels = read(tmp_path, 'item { name: "b" id: 7 } item { name: "a" id: 2 }')
    assert len(labels) == 2
    assert labels.index == {7: 0, 2: 1}


def test_what_is_written_is_read_again(tmp_path):
    labels = ClassList((5, 2), ('a "quoted" \\ name', "b"), ("PERSON", ""))
    write_labels(tmp_path / "actions.pbtxt", labels)
    assert read_labels(tmp_path / "actions.pbtxt") == labels


def test_ava_lists_80_classes_and_evaluates_60_of_them(shared_data):
    all_classes = read_labels(shared_data / "ava" / "ava_action_list_v2.2.pbtxt")
    evaluated = read_labels(shared_data / "ava" / "ava_action_list_v2.2_for_activitynet_2019.pbtxt")
    assert (len(all_classes), len(evaluated)) == (80, 60)
    assert set(evaluated.ids) < set(all_classes.ids)
    assert set(all_classes.groups) == {
        "PERSON_MOVEMENT", "OBJECT_MANIPULATION", "PERSON_INTERACTION",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,second,x1\n", "line 1: 'video' is not the start of a class"),
        ('item { name: "a" id: 1 }\nitem { name: "b" id: 1 }', "line 2: id 1 of 'b' is already"),
        ('\nitem { name: "a" }', "line 2: class 'a' has no id"),
        ("item { id: 3 }", "line 1: class 3 has no name"),
        ('item { name: "a" id: one }', "id is 'one', expected a whole number"),
        ('item { name: "a" id: -1 }', "id is '-1', expected a whole number"),
        ('item { name: "a" id: 1', "is never closed"),
        ('item { name: "a', "line 1: a quoted name does not end"),
        ('item { name "a" }', "expected `key: value`"),
        ("item 3", "expected {"),
    ],
)
def test_nonsense_is_refused_by_line(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "actions.pbtxt" in str(caught.value)


def test_a_missing_or_unreadable_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_labels(tmp_path / "none.pbtxt")
    (tmp_path / "film.pbtxt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_labels(tmp_path / "film.pbtxt")
