"""Texts of the scripts of the clinician's pages: choosing, queue, one reading. See `fedlung.web.js_texts`."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext

PREDICTIONS: dict[str, Any] = {
    # Choosing a scan and a model
    "predict.choose_scan": lazy_gettext("Choose a scan first."),
    "predict.will_read": lazy_gettext("To be read: {scan}"),
    "predict.unusable": lazy_gettext("unusable"),
    "predict.slices_of": lazy_gettext("{slices} of {mm} mm"),
    "predict.never_read": lazy_gettext("never"),
    "predict.model_in_use": lazy_gettext("In use: {name}"),
    "predict.round_of": lazy_gettext("round {round} of {rounds}"),
    "predict.validated": lazy_gettext("in validation: sensitivity {sensitivity} at 1 false mark per scan"),
    "predict.validated_on": lazy_gettext("in validation: sensitivity {sensitivity} at 1 false mark per scan ({scans})"),
    "predict.validated_at": lazy_gettext("in validation: sensitivity {sensitivity} at {rate} ({scans})"),
    "predict.not_validated": lazy_gettext("not validated"),
    "predict.is_queued": lazy_gettext("{scan} waits to be read."),
    "predict.was_read": lazy_gettext("This model has read this scan already; the reading is in the list."),
    "predict.open": lazy_gettext("Open"),
    "predict.cancel_reading": lazy_gettext("Cancel the reading of {scan}"),
    "predict.is_cancelled": lazy_gettext("The reading of {scan} was cancelled."),
    # Queue and results
    "predict.waits_next": lazy_gettext("Waiting: it is next."),
    "predict.waits_behind.one": lazy_gettext("Waiting: {count} scan is read before."),
    "predict.waits_behind.other": lazy_gettext("Waiting: {count} scans are read before."),
    "predict.stage_share": lazy_gettext("{stage}: {share}"),
    "predict.stage_model": lazy_gettext("Loading the model"),
    "predict.stage_read": lazy_gettext("Reading the scan"),
    "predict.stage_prepare": lazy_gettext("Finding the lungs"),
    "predict.stage_network": lazy_gettext("Running the network"),
    "predict.stage_candidates": lazy_gettext("Collecting the marks"),
    "predict.stage_describe": lazy_gettext("Measuring"),
    "predict.stage_done": lazy_gettext("done"),
    "predict.stage_later": lazy_gettext("to come"),
    "predict.candidates.one": lazy_gettext("{count} candidate"),
    "predict.candidates.other": lazy_gettext("{count} candidates"),
    "predict.warnings.one": lazy_gettext("{count} warning"),
    "predict.warnings.other": lazy_gettext("{count} warnings"),
    "predict.failed_in": lazy_gettext("Not read: {stage}"),
    "predict.seconds": lazy_gettext("{value} s"),
    # How a reading ended
    "predict.failed": lazy_gettext("This scan was not read to the end. It stopped at: {stage}"),
    "predict.failed_means": lazy_gettext("Nothing can be said about nodules in this scan: it was not searched."),
    "predict.failed_marks": lazy_gettext("No marks: the reading failed. This says nothing about nodules."),
    "predict.was_cancelled": lazy_gettext("This scan was not read to the end: the reading was cancelled."),
    "predict.cancelled_marks": lazy_gettext("No marks: the reading was cancelled. This says nothing about nodules."),
    "predict.read_again": lazy_gettext("Read it again"),
    "predict.scan_facts": lazy_gettext("Voxels of {size} mm, {slices} slices"),
    # The threshold
    "predict.false_marks.one": lazy_gettext("{count} false mark per scan"),
    "predict.false_marks.other": lazy_gettext("{count} false marks per scan"),
    "predict.means_at": lazy_gettext("In validation: about {rate}, sensitivity {sensitivity} ({scans})."),
    "predict.means_between": lazy_gettext(
        "In validation: between {least} and {rate}, sensitivity {low} to {high} ({scans})."
    ),
    "predict.means_above": lazy_gettext(
        "In validation: at most {rate}, sensitivity at most {sensitivity} ({scans}); how much was not measured."
    ),
    "predict.means_below": lazy_gettext(
        "In validation: at least {rate}, sensitivity {sensitivity} or better ({scans}); how much was not measured."
    ),
    "predict.means_unknown": lazy_gettext("What this threshold means is not known: this model's validation has none."),
    "predict.means_too_few": lazy_gettext(
        "What this threshold means is not known: this model was validated on too few scans ({scans})."
    ),
    "predict.means_too_many": lazy_gettext(
        "In validation the model made more than 8 false marks per scan at every threshold ({scans})."
    ),
    "predict.with_interval": lazy_gettext("{value}, {level} interval {low} to {high}"),
    # The list of marks
    "predict.column_mark": lazy_gettext("Mark"),
    "predict.column_confidence": lazy_gettext("Confidence"),
    "predict.column_diameter": lazy_gettext("Size, mm"),
    "predict.column_volume": lazy_gettext("Volume, mm³"),
    "predict.column_slice": lazy_gettext("Slice"),
    "predict.column_judgement": lazy_gettext("Judgement"),
    "predict.readers": lazy_gettext("added"),
    "predict.mm": lazy_gettext("mm"),
    "predict.size": lazy_gettext("{diameter} mm, {volume} mm³"),
    "predict.go_to": lazy_gettext("Mark {label}: {diameter} mm, slice {slice}"),
    "predict.accept_mark": lazy_gettext("Accept mark {label}"),
    "predict.reject_mark": lazy_gettext("Reject mark {label}"),
    "predict.is_accepted": lazy_gettext("Accepted"),
    "predict.is_rejected": lazy_gettext("Rejected"),
    "predict.is_added": lazy_gettext("Added by a reader"),
    "predict.was_changed": lazy_gettext("moved or resized by a reader"),
    "predict.shown.one": lazy_gettext("{count} mark is shown."),
    "predict.shown.other": lazy_gettext("{count} marks are shown."),
    "predict.below.one": lazy_gettext("{count} more is below the threshold."),
    "predict.below.other": lazy_gettext("{count} more are below the threshold."),
    "predict.own_shown.one": lazy_gettext("{count} mark of your own."),
    "predict.own_shown.other": lazy_gettext("{count} marks of your own."),
    "predict.none_above": lazy_gettext("No mark reaches the threshold. That does not mean that there are no nodules."),
    "predict.none_at_all": lazy_gettext(
        "The model marked nothing in this scan. That does not mean that there are no nodules."
    ),
    # The chosen mark
    "predict.model_mark": lazy_gettext("Mark {label} of the model"),
    "predict.own_mark": lazy_gettext("Mark {label}, added by a reader"),
    "predict.no_confidence": lazy_gettext("none: the model did not mark it"),
    "predict.volume": lazy_gettext("Volume"),
    "predict.volume_mask": lazy_gettext("{volume} mm³ (of the model's mask)"),
    "predict.volume_ball": lazy_gettext("{volume} mm³ (ball of this diameter)"),
    "predict.place": lazy_gettext("Place"),
    "predict.type": lazy_gettext("Attenuation"),
    "predict.not_known": lazy_gettext("not known"),
    "predict.category": lazy_gettext("Category"),
    "predict.category_value": lazy_gettext("{value}, if solid, baseline"),
    "predict.category_new": lazy_gettext("category {value}, if solid"),
    "predict.category_rule": lazy_gettext(
        "Lung-RADS 1.1 and 2022 by size: below 6 mm 2; 6 to below 8 mm 3; 8 to below 15 mm 4A; from 15 mm 4B. "
        "The diameter is that of a ball of the same volume. A hint, no finding."
    ),
    "predict.last_change": lazy_gettext("Last change"),
    "predict.by_when": lazy_gettext("{author}, {when}"),
    "predict.accept": lazy_gettext("Accept"),
    "predict.reject": lazy_gettext("Reject"),
    "predict.diameter": lazy_gettext("Diameter"),
    "predict.diameter_value": lazy_gettext("{diameter} mm"),
    "predict.comment": lazy_gettext("Comment"),
    "predict.move_here": lazy_gettext("Move to the crosshair"),
    "predict.restore": lazy_gettext("As the model had it"),
    "predict.remove": lazy_gettext("Remove"),
    # Saving, offering, taking away
    "predict.saved": lazy_gettext("Saved, version {version}"),
    "predict.saving": lazy_gettext("Saving…"),
    "predict.unsaved": lazy_gettext("Not saved yet"),
    "predict.merged": lazy_gettext(
        "{author} has changed marks meanwhile; both changes are kept, and of one mark yours."
    ),
    "predict.offer_help": lazy_gettext("Staff see the accepted marks and decide whether they become annotations."),
    "predict.offered.one": lazy_gettext("{count} mark was offered to the staff of your hospital."),
    "predict.offered.other": lazy_gettext("{count} marks were offered to the staff of your hospital."),
    "predict.offered_before.one": lazy_gettext("{author} offered {count} mark, {when}."),
    "predict.offered_before.other": lazy_gettext("{author} offered {count} marks, {when}."),
    "predict.export_as": lazy_gettext("Save as {format}"),
    # How it was read
    "predict.model": lazy_gettext("Model"),
    "predict.model_threshold": lazy_gettext("The model's threshold"),
    "predict.asked": lazy_gettext("Asked by"),
    "predict.first_reads": lazy_gettext("First read declared by"),
    "predict.nobody": lazy_gettext("nobody"),
    "predict.lung_volume": lazy_gettext("Lung volume"),
    "predict.liters": lazy_gettext("{value} l"),
    "predict.uncertainty": lazy_gettext("The model's uncertainty"),
    "predict.checksum": lazy_gettext("SHA-256 of the model"),
    "predict.times": lazy_gettext("Time per stage"),
    "predict.total": lazy_gettext("In all"),
    # Beside a prior scan
    "predict.prior_help": lazy_gettext("A scan that no model has read yet is read first."),
    "predict.priors_same": lazy_gettext("Of the same patient"),
    "predict.priors_other": lazy_gettext("Patient not known, or another one"),
    "predict.no_prior": lazy_gettext("Your hospital has no other scan that could be a prior one."),
    "predict.comparing": lazy_gettext("The scans are being laid upon each other; this takes some seconds…"),
    "predict.prior_failed": lazy_gettext("The prior scan could not be read: {reason}"),
    "predict.same_patient": lazy_gettext("Both scans are of the same patient."),
    "predict.patient_unknown": lazy_gettext(
        "Whether both scans are of one patient is not known to FedLung: please check."
    ),
    "predict.days.one": lazy_gettext("{count} day lies between them."),
    "predict.days.other": lazy_gettext("{count} days lie between them."),
    "predict.days_unknown": lazy_gettext("The dates are not known, so there is no doubling time."),
    "predict.days_long.one": lazy_gettext("{count} day"),
    "predict.days_long.other": lazy_gettext("{count} days"),
    "predict.alignment": lazy_gettext(
        "The prior scan was moved by {shift} mm and turned by {angle}° (correlation {correlation})."
    ),
    "predict.alignment_doubtful": lazy_gettext(
        "They fit each other badly: perhaps two persons, or too little of the same. Do not rely on what is called new,"
        " gone or grown."
    ),
    "predict.other_model": lazy_gettext(
        "The two scans were read by different models, each at its own threshold; differences may be theirs."
    ),
    "predict.was_unreported": lazy_gettext(
        "not new: marked in the prior scan, too ({diameter} mm), where it was rejected or is below the threshold"
    ),
    "predict.is_unreported": lazy_gettext("still marked ({diameter} mm), but rejected or below the threshold"),
    "predict.compared": lazy_gettext("Marks of both scans"),
    "predict.compare_mark": lazy_gettext("Mark"),
    "predict.compare_now": lazy_gettext("Now"),
    "predict.compare_prior": lazy_gettext("Before"),
    "predict.compare_change": lazy_gettext("Change"),
    "predict.compare_doubling": lazy_gettext("Doubling time"),
    "predict.only_prior": lazy_gettext("only before"),
    "predict.only_now": lazy_gettext("only now"),
    "predict.is_new": lazy_gettext("new"),
    "predict.is_gone": lazy_gettext("not marked any more"),
    "predict.not_in_prior": lazy_gettext(
        "not in the other scan: outside the prior one, or so near its border that a nodule would be cut off"
    ),
    "predict.not_in_current": lazy_gettext(
        "not in the other scan: outside this one, or so near its border that a nodule would be cut off"
    ),
    "predict.change_uncertain": lazy_gettext(
        "A change may come from measuring alone: the diameters of both scans are uncertain."
    ),
    "predict.changed_by": lazy_gettext("{diameter} mm, volume {volume} %"),
    "predict.has_grown": lazy_gettext("grown"),
    "predict.nothing_compared": lazy_gettext("Neither scan has a mark that is accepted, added or above the threshold."),
}
