"""What arrives in Supabase of what runs, models and people leave behind, and what never does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedlung.errors import Misconfigured
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.supabase.mirror import site_of
from fedlung.stores.supabase.mirror_rows import moment, storable
from fedlung.stores.supabase.mirror_sources import BATCH_ROWS
from tests.mirror_world import HOSPITAL, SCAN, MirrorWorld, add_round, tell
from tests.supabase_stack import SupabaseStack


@pytest.fixture
def world(tmp_path: Path, supa: SupabaseStack) -> Iterator[MirrorWorld]:
    made = MirrorWorld(tmp_path, supa)
    yield made
    made.close()


def test_an_empty_folder_is_a_site_and_nothing_else(world: MirrorWorld) -> None:
    world.mirror().copy_news()
    (site,) = world.rows("sites")
    assert site["hospitals"] == [{"id": HOSPITAL, "scans": 0, "nodules": 0}]
    for table in ("runs", "rounds", "models", "promotions", "audit", "annotation_sets"):
        assert world.count(table) == 0, table


def test_a_hospital_that_is_added_is_told(world: MirrorWorld) -> None:
    mirror = world.mirror()
    mirror.copy_news()
    HospitalFolders(world.folder).add("north", {"zh": "北方医院"})
    mirror.copy_news()
    (site,) = world.rows("sites")
    assert [hospital["id"] for hospital in site["hospitals"]] == [HOSPITAL, "north"]


def test_everything_arrives_as_it_is(world: MirrorWorld) -> None:
    with world.run("run-1", started_by="admin", scans={HOSPITAL: 4}) as run:
        add_round(run, 1, loss=0.75)
        add_round(run, 2, loss=0.25)
        tell(run, "finished", 2)
    model = world.add_model("m-1")
    world.models.promote("m-1", "admin")
    world.note("run-1", note="first")
    mirror = world.mirror()
    mirror.copy_news()

    (row,) = world.rows("runs")
    assert (row["id"], row["state"], row["round"], row["rounds"]) == ("run-1", "finished", 2, 9)
    assert (row["started_by"], row["scans"], row["arguments"]["strategy"]) == ("admin", {HOSPITAL: 4}, "fedavg")
    assert row["started"] == "2026-01-01T00:00:00+00:00"
    assert [(row["round"], row["metrics"]) for row in world.rows("rounds", "round")] == [
        (1, {"loss": 0.75}),
        (2, {"loss": 0.25}),
    ]
    (row,) = world.rows("models")
    assert (row["id"], row["sha256"], row["size_bytes"]) == ("m-1", model.sha256, model.size_bytes)
    (row,) = world.rows("promotions")
    assert (row["model_id"], row["sha256"], row["promoted_by"]) == ("m-1", model.sha256, "admin")
    (row,) = world.rows("audit")
    assert (row["seq"], row["actor"], row["target"], row["details"]) == (1, "admin", "run-1", {"note": "first"})
    assert mirror.status.problem == ""
    assert mirror.status.up_to_date


def test_annotations_are_counted_and_never_told(world: MirrorWorld) -> None:
    world.annotate(2)
    world.annotate(3, author="staff_b")
    mirror = world.mirror()
    mirror.copy_news()
    rows = world.rows("annotation_sets", "annotation_version")
    assert [(row["annotation_version"], row["author"], row["nodules"]) for row in rows] == [
        (1, "staff_a", 2),
        (2, "staff_b", 3),
    ]
    assert len({row["scan_key"] for row in rows}) == 1
    everything = json.dumps([world.rows(table) for table in ("sites", "annotation_sets", "audit")])
    secret = site_of(world.folder / "instance" / "mirror").secret
    for private in (SCAN, "aorta", "4.25", "2.5", secret):
        assert private not in everything

    world.annotations.forget(SCAN)
    world.annotate(1)
    world.annotate(1)
    mirror.copy_news()
    assert world.count("annotation_sets") == 4


def test_only_what_is_new_is_sent(world: MirrorWorld) -> None:
    run = world.run("run-1")
    add_round(run, 1)
    world.note("one")
    mirror = world.mirror()
    mirror.copy_news()
    for again in (mirror, world.mirror()):  # also after a restart
        world.supa.seen.clear()
        again.copy_news()
        assert world.supa.seen == []

    add_round(run, 2)
    world.note("two")
    world.supa.seen.clear()
    mirror.copy_news()
    asked = [request.split("?")[0] for request, _ in world.supa.seen]
    assert asked == [f"POST /rest/v1/{table}" for table in ("runs", "rounds", "audit")]
    assert [row["target"] for row in world.rows("audit", "seq")] == ["one", "two"]
    run.close()


def test_lost_cursors_send_everything_again_and_nothing_twice(world: MirrorWorld) -> None:
    with world.run("run-1") as run:
        add_round(run, 1)
    world.add_model("m-1")
    world.models.promote("m-1", "admin")
    world.note("one")
    world.annotate(1)
    world.mirror().copy_news()
    tables = ("runs", "rounds", "models", "promotions", "audit", "annotation_sets", "sites")
    counted = {table: world.count(table) for table in tables}
    for file in (world.folder / "instance" / "mirror").glob("*.json"):
        if file.name != "identity.json":
            file.write_text("torn {")
    world.mirror().copy_news()
    assert {table: world.count(table) for table in tables} == counted == dict.fromkeys(tables, 1)


def test_a_run_that_went_back_loses_the_rounds_after_it(world: MirrorWorld) -> None:
    mirror = world.mirror()
    with world.run("run-1") as run, world.run("run-2") as other:
        for number in (1, 2, 3):
            add_round(run, number, loss=1.0)
            add_round(other, number, loss=1.0)
        mirror.copy_news()
        add_round(run, 2, loss=0.5)
    mirror.copy_news()
    rounds = [(row["run_id"], row["round"], row["metrics"]["loss"]) for row in world.rows("rounds", "run_id", "round")]
    assert rounds == [("run-1", 1, 1.0), ("run-1", 2, 0.5), *(("run-2", number, 1.0) for number in (1, 2, 3))]


def test_more_than_a_batch_and_more_than_an_answer(world: MirrorWorld) -> None:
    run = world.run("run-1")
    count = BATCH_ROWS + 5
    for number in range(1, count + 1):
        add_round(run, number)
    run.close()
    line = (
        '{{"seq": {0}, "time": "2026-01-01T00:00:00+00:00", "actor": "admin", "action": "sign_in", "target": "{0}"}}\n'
    )
    deeds = 2500
    world.audit.path.write_text("".join(line.format(number) for number in range(1, deeds + 1)))
    world.mirror().copy_news()
    assert world.supa.sql("select count(*), count(distinct round) from rounds").strip() == f"{count}|{count}"
    assert world.supa.sql("select count(*), min(seq), max(seq) from audit").strip() == f"{deeds}|1|{deeds}"


def test_a_torn_line_waits_until_it_is_whole(world: MirrorWorld) -> None:
    world.note("one")
    with world.audit.path.open("a") as file:
        file.write('{"seq": 2, "action": "sign_in", ')
        file.flush()
        mirror = world.mirror()
        mirror.copy_news()
        assert world.count("audit") == 1
        file.write('"target": "two"}\nnot json\n')
    mirror.copy_news()
    assert [row["target"] for row in world.rows("audit", "seq")] == ["one", "two"]


def test_another_file_of_deeds_is_read_from_its_beginning(world: MirrorWorld) -> None:
    for target in ("one", "two"):
        world.note(target)
    mirror = world.mirror()
    mirror.copy_news()
    line = '{"seq": 1, "action": "sign_in", "target": "other", "time": ""}\n'
    world.audit.path.write_text(line * 9)
    mirror.copy_news()
    assert [row["target"] for row in world.rows("audit", "received")] == ["one", "two", "other"]


def test_a_row_that_is_not_taken_keeps_no_other_away(world: MirrorWorld, caplog: pytest.LogCaptureFixture) -> None:
    for target in ("one", "two", "three"):
        world.note(target)
    world.supa.alter("alter table audit add constraint not_two check (target <> 'two')")
    mirror = world.mirror()
    mirror.copy_news()
    world.supa.alter("alter table audit drop constraint not_two")
    assert [row["target"] for row in world.rows("audit", "seq")] == ["one", "three"]
    assert mirror.status.refused == 1
    assert "did not take a row of audit" in caplog.text


def test_a_damaged_file_keeps_no_other_record_here(world: MirrorWorld) -> None:
    world.note("one")
    world.add_model("m-1")
    world.models.promote("m-1", "admin")
    (world.models.root / "promoted.json").write_text("torn [")
    mirror = world.mirror()
    with pytest.raises(Exception, match=r"promoted\.json"):
        mirror.copy_news()
    assert (world.count("audit"), world.count("models"), world.count("promotions")) == (1, 1, 0)


def test_emptied_tables_are_filled_again(world: MirrorWorld) -> None:
    with world.run("run-1") as run:
        add_round(run, 1)
    world.annotate(1)
    mirror = world.mirror()
    mirror.copy_news()
    world.supa.empty_tables()
    world.note("after")
    with pytest.raises(Exception, match="emptied"):
        mirror.copy_news()
    mirror.copy_news()
    assert [world.count(table) for table in ("sites", "runs", "rounds", "annotation_sets", "audit")] == [1] * 5


def test_text_that_a_database_cannot_hold_arrives_changed(world: MirrorWorld) -> None:
    with world.run("run-1", started_by="a\x00b") as run:
        tell(run, "running", 0)
    world.audit.path.write_text(
        '{"seq": 1, "action": "x", "target": "\\ud800", "details": {"a": NaN, "\\u0000": [1e999]}}\n'
    )
    world.mirror().copy_news()
    assert world.rows("runs")[0]["started_by"] == "a\ufffdb"
    assert world.rows("audit")[0]["target"] == "?"
    assert world.rows("audit")[0]["details"] == {"a": None, "\ufffd": [None]}


def test_storable_leaves_sound_values_alone() -> None:
    value = {"a": [1, 2.5, None, True, "马丽 😀"], "b": {"c": ()}}
    assert storable(value) == {"a": [1, 2.5, None, True, "马丽 😀"], "b": {"c": []}}


@pytest.mark.parametrize("text", ["", None, "yesterday", 7])
def test_bad_times_are_none(text: object) -> None:
    assert moment(text) is None
    assert moment("2026-01-01T00:00:00") == "2026-01-01T00:00:00+00:00"


def test_site_is_made_once_for_its_owner_only_and_a_damaged_one_is_kept(tmp_path: Path) -> None:
    first = site_of(tmp_path)
    file = tmp_path / "identity.json"
    assert site_of(tmp_path) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert first.scan_key("a", "1") != first.scan_key("b", "1")
    file.write_text("{}")
    with pytest.raises(Misconfigured, match=r"identity\.json"):
        site_of(tmp_path)
    assert file.read_text() == "{}"
