"""Texts that the scripts of the pages show: key -> text. ``{name}`` is filled in by ``static/js/i18n.js``.

A key that ends in ``.one`` or ``.other`` is one form of a text with a number; ``{count}`` is that number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext

from fedlung.web.js_texts_predictions import PREDICTIONS
from fedlung.web.js_texts_scans import SCANS
from fedlung.web.js_texts_training import TRAINING
from fedlung.web.js_texts_viewer import VIEWER

_GENERAL: dict[str, Any] = {
    # Everywhere
    "action.cancel": lazy_gettext("Cancel"),
    "action.close": lazy_gettext("Close"),
    "action.copied": lazy_gettext("Copied"),
    "page.loading": lazy_gettext("Loading…"),
    "page.research": lazy_gettext("Research use, not for diagnosis"),
    "page.pair": lazy_gettext("{name}: {value}"),
    "page.two_sentences": lazy_gettext("{one} {two}"),
    "page.copy_link": lazy_gettext("Copy link"),
    "page.link_copied": lazy_gettext("The address of this page is copied."),
    "page.print": lazy_gettext("Print"),
    "error.unreachable": lazy_gettext("The server cannot be reached. Look at the network, then try again."),
    "error.session_ended": lazy_gettext("Your session has ended. Please sign in again."),
    "error.status": lazy_gettext("The server answered with an error ({status})."),
    "theme.auto": lazy_gettext("Automatic"),
    "theme.light": lazy_gettext("Light"),
    "theme.dark": lazy_gettext("Dark"),
    "role.admin": lazy_gettext("Administrator"),
    "role.staff": lazy_gettext("Hospital staff"),
    "role.clinician": lazy_gettext("Clinician"),
    # The live connection
    "connection.connecting": lazy_gettext("Connecting…"),
    "connection.live": lazy_gettext("Live"),
    "connection.reconnecting": lazy_gettext("Connection lost, trying again…"),
    "connection.polling": lazy_gettext("Not live: asking every 5 seconds"),
    "connection.offline": lazy_gettext("No connection to the server"),
    "connection.resting": lazy_gettext("Resting while the tab is hidden"),
    "online.nobody": lazy_gettext("Nobody is signed in with an open page."),
    # Numbers of things
    "count.scans.one": lazy_gettext("{count} scan"),
    "count.scans.other": lazy_gettext("{count} scans"),
    "count.cubes.one": lazy_gettext("{count} nodule cube"),
    "count.cubes.other": lazy_gettext("{count} nodule cubes"),
    "count.hospitals.one": lazy_gettext("{count} hospital"),
    "count.hospitals.other": lazy_gettext("{count} hospitals"),
    "count.rounds.one": lazy_gettext("{count} round"),
    "count.rounds.other": lazy_gettext("{count} rounds"),
    "count.tabs.one": lazy_gettext("{count} tab"),
    "count.tabs.other": lazy_gettext("{count} tabs"),
    "count.shown.one": lazy_gettext("{count} entry"),
    "count.shown.other": lazy_gettext("{count} entries"),
    "count.runs_shown.one": lazy_gettext("{count} training"),
    "count.runs_shown.other": lazy_gettext("{count} trainings"),
    # Hospitals
    "hospital.scans": lazy_gettext("Scans"),
    "hospital.nodules": lazy_gettext("Nodules"),
    "hospital.annotated.one": lazy_gettext("{count} with nodules"),
    "hospital.annotated.other": lazy_gettext("{count} with nodules"),
    "hospital.held_back.one": lazy_gettext("{count} more is not ready"),
    "hospital.held_back.other": lazy_gettext("{count} more are not ready"),
    "hospital.not_declared": lazy_gettext("The data is not declared ready for training yet."),
    "hospital.seen": lazy_gettext("seen {when}"),
    "hospital.left_out": lazy_gettext("Last left out of a round: {reason}"),
    "hospital.ready": lazy_gettext("Ready"),
    "hospital.not_ready": lazy_gettext("Not ready"),
    "hospital.offline": lazy_gettext("Not reachable"),
    "hospital.sizes": lazy_gettext("Nodule diameters"),
    "hospital.size_bar": lazy_gettext("{range} mm: {count}"),
    "client.no_folder": lazy_gettext("The server has no folder for your hospital yet. The administrator can make one."),
    # The machine
    "machine.cpu": lazy_gettext("CPU"),
    "machine.memory": lazy_gettext("Memory"),
    "machine.gpu": lazy_gettext("GPU"),
    "machine.gpu_memory": lazy_gettext("GPU memory"),
    "machine.no_gpu": lazy_gettext("no GPU"),
    "machine.of": lazy_gettext("{used} of {total}"),
    "machine.process": lazy_gettext("this program {used}"),
    "machine.cores.one": lazy_gettext("{count} core"),
    "machine.cores.other": lazy_gettext("{count} cores"),
    "machine.threads.one": lazy_gettext("{count} core for training"),
    "machine.threads.other": lazy_gettext("{count} cores for training"),
    # Models
    "model.in_use": lazy_gettext("In use"),
    "model.now_in_use": lazy_gettext("The model in use"),
    "model.none_in_use": lazy_gettext("No model was chosen yet: scans are read by the one shipped with FedLung."),
    "model.built_in": lazy_gettext("Shipped with FedLung"),
    "model.unknown_origin": lazy_gettext("Unknown"),
    "model.origin": lazy_gettext("Origin"),
    "model.made": lazy_gettext("Made"),
    "model.data": lazy_gettext("Data"),
    "model.limits": lazy_gettext("Limits"),
    "model.use": lazy_gettext("Intended use"),
    "model.threshold": lazy_gettext("Display threshold"),
    "model.no_threshold": lazy_gettext("Not chosen on validation. {reason}"),
    "model.size": lazy_gettext("Size"),
    "model.trained_by": lazy_gettext("Trained by"),
    "model.integrity": lazy_gettext("File"),
    "model.intact": lazy_gettext("Intact"),
    "model.damaged": lazy_gettext("Damaged"),
    "model.unchecked": lazy_gettext("Not checked"),
    "model.is_intact": lazy_gettext("{name}: the file is intact, its SHA-256 is right."),
    "model.is_damaged": lazy_gettext("{name}: the file is damaged. Do not use it."),
    "model.promote": lazy_gettext("Use this model"),
    "model.promote_title": lazy_gettext("Change the model in use?"),
    "model.promote_text": lazy_gettext(
        "From now on clinicians read scans with “{name}”. You can go back to an earlier model at any time."
    ),
    "model.promoted": lazy_gettext("{name} is in use now."),
    "model.verify": lazy_gettext("Check"),
    "model.card": lazy_gettext("Card"),
    "model.whole_card": lazy_gettext("Everything on the card"),
    "model.save_card": lazy_gettext("Save the card"),
    "model.download": lazy_gettext("Download"),
    "model.name": lazy_gettext("{strategy}, round {round} of {rounds}"),
    "measure.sensitivity_at_1_fp": lazy_gettext("Sensitivity"),
    "accuracy.interval": lazy_gettext("{value} ({low} to {high})"),
    "accuracy.seen": lazy_gettext("{nodules} on {scans}"),
    "accuracy.seen_at": lazy_gettext("{seen}, at {rate}; in brackets intervals of 95%"),
    "accuracy.no_interval": lazy_gettext("{seen}; no interval is known"),
    "accuracy.no_threshold": lazy_gettext("{seen}: too little, or too many false marks, for a threshold"),
    "accuracy.shipped": lazy_gettext("{nodules}, at {rate} (counted on {scans}); in brackets the interval of 95%"),
    "accuracy.after_round": lazy_gettext("After round {round}."),
    "measure.cpm": lazy_gettext("CPM"),
    "measure.dice": lazy_gettext("Dice"),
    # /dev/patterns
    "sample.hospital_a": lazy_gettext("Hospital A"),
    "sample.hospital_b": lazy_gettext("Hospital B"),
    "sample.hospital_c": lazy_gettext("Hospital C"),
    "sample.error": lazy_gettext("The folder cannot be read."),
}

JS_TEXTS: Mapping[str, Any] = {**_GENERAL, **TRAINING, **PREDICTIONS, **SCANS, **VIEWER}
