"""Predictions on disk: kept whole, found again, and never of another hospital."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from fedlung.errors import NotFound, UnreadableStore
from fedlung.events import FAILED, FINISHED, RUNNING
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.predictions import CANDIDATES, RECORD, PredictionRecord, PredictionStore

LABELS = np.array([[[0, 1], [2, 0]]], dtype=np.uint8)
CONTENT: dict[str, Any] = {"candidates": [{"id": "m1"}]}


@pytest.fixture
def store(tmp_path: Path) -> PredictionStore:
    for hospital in ("hospital_a", "hospital_b"):
        (tmp_path / hospital / "scans").mkdir(parents=True)
    return PredictionStore(HospitalFolders(tmp_path))


def record(minute: int = 0, **fields: Any) -> PredictionRecord:
    known = {"hospital_id": "hospital_a", "scan_id": "s", "scan_sha256": "v", "model": {"sha256": "m"}, "by": "x"}
    created = f"2026-01-01T00:{minute:02d}:00.000+00:00"
    return PredictionRecord(**{"id": uuid4().hex, "created": created, **known, **fields})


def test_what_was_added_is_found_by_a_store_that_starts(store: PredictionStore, tmp_path: Path) -> None:
    kept = store.add(record())
    again = PredictionStore(HospitalFolders(tmp_path))
    assert again.get("hospital_a", kept.id) == kept
    assert again.all("hospital_a") == [kept]


def test_the_newest_first_and_by_scan(store: PredictionStore) -> None:
    old, new, other = store.add(record(1)), store.add(record(2)), store.add(record(3, scan_id="t"))
    assert store.all("hospital_a") == [other, new, old]
    assert store.all("hospital_a", "s") == [new, old]


def test_another_hospitals_does_not_exist(store: PredictionStore) -> None:
    kept = store.add(record())
    with pytest.raises(NotFound):
        store.get("hospital_b", kept.id)
    assert store.all("hospital_b") == []
    for made_up in ("", ".", "..", f"../predictions/{kept.id}", f"{kept.id}/", "x" * 300, "*"):
        with pytest.raises(NotFound):
            store.get("hospital_a", made_up)


def test_finished_comes_with_everything(store: PredictionStore) -> None:
    kept = store.add(record())
    for reader in (store.content, store.mask_gzip):
        with pytest.raises(NotFound):
            reader(kept)
    store.finish(kept, CONTENT, LABELS)
    done = store.get("hospital_a", kept.id)
    assert (done.state, done.finished != "") == (FINISHED, True)
    assert store.content(done) == CONTENT
    mask = np.frombuffer(gzip.decompress(store.mask_gzip(done)), dtype=np.uint8).reshape(LABELS.shape)
    np.testing.assert_array_equal(mask, LABELS)
    assert store.newest_finished("hospital_a") == {"s": done}


def test_the_same_request_is_answered_but_not_by_a_failure(store: PredictionStore) -> None:
    kept = store.add(record(1))
    assert store.same(record(2)) == kept
    for other in ({"scan_id": "t"}, {"scan_sha256": "w"}, {"model": {"sha256": "n"}}, {"hospital_id": "hospital_b"}):
        assert store.same(record(2, **other)) is None
    store.replace(replace(kept, state=FAILED, error={"stage": "read", "code": "bad_scan", "message": "torn"}))
    assert store.same(record(2)) is None


def test_what_is_under_way_is_found_in_its_order_over_all_hospitals(store: PredictionStore) -> None:
    second = store.add(record(2, hospital_id="hospital_b"))
    first = store.add(record(1, state=RUNNING))
    store.finish(store.add(record(0)), CONTENT, LABELS)
    assert store.under_way() == [first, second]


def test_a_damaged_record_is_said_and_hides_no_other(store: PredictionStore, tmp_path: Path) -> None:
    kept, damaged = store.add(record(1)), store.add(record(2))
    (tmp_path / "hospital_a" / "predictions" / damaged.id / RECORD).write_text('{"id": ')
    assert store.all("hospital_a") == [kept]
    with pytest.raises(UnreadableStore):
        store.get("hospital_a", damaged.id)


def test_damaged_marks_are_never_an_empty_list(store: PredictionStore, tmp_path: Path) -> None:
    kept = store.add(record())
    store.finish(kept, CONTENT, LABELS)
    done = store.get("hospital_a", kept.id)
    (tmp_path / "hospital_a" / "predictions" / kept.id / CANDIDATES).write_text("[]")
    with pytest.raises(UnreadableStore):
        store.content(done)


def test_a_folder_without_a_record_is_passed_over(store: PredictionStore, tmp_path: Path) -> None:
    (tmp_path / "hospital_a" / "predictions" / uuid4().hex).mkdir(parents=True)
    assert store.all("hospital_a") == []


def test_offers_are_appended(store: PredictionStore) -> None:
    kept = store.add(record())
    assert store.offers(kept) == []
    for number in (1, 2):
        store.offer(kept, {"nodules": number})
    assert [offer["nodules"] for offer in store.offers(kept)] == [1, 2]


def test_a_registration_is_kept_for_its_pair(store: PredictionStore) -> None:
    kept, prior = store.add(record(1)), store.add(record(0, scan_id="t"))
    assert store.registration(kept, prior) is None
    store.keep_registration(kept, prior, {"correlation": 0.9})
    assert store.registration(kept, prior) == {"correlation": 0.9}
    assert store.registration(prior, kept) is None


def test_with_the_scan_its_predictions_go(store: PredictionStore, tmp_path: Path) -> None:
    gone, kept = store.add(record(1)), store.add(record(2, scan_id="t"))
    assert store.delete_of_scan("hospital_a", "s") == 1
    assert store.all("hospital_a") == [kept]
    with pytest.raises(NotFound):
        store.replace(gone)
    assert not (tmp_path / "hospital_a" / "predictions" / gone.id).exists()


def test_unknown_fields_and_states_are_refused(store: PredictionStore, tmp_path: Path) -> None:
    kept = store.add(record())
    path = tmp_path / "hospital_a" / "predictions" / kept.id / RECORD
    content = json.loads(path.read_text())
    for change in ({"state": "done"}, {"surprise": 1}):
        path.write_text(json.dumps({**content, **change}))
        with pytest.raises(UnreadableStore):
            store.get("hospital_a", kept.id)
