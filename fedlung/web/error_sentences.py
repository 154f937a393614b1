"""Sentences that the lower layers make in English, with what a Chinese reader is told instead.

A pattern matches the whole sentence (a file's name and a colon before it aside); its groups fill the translated one.
Beside those of `fedlung.web.scans.refusal_words`, which are about scans that were sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from fedlung.imaging.intake.texts import N_

SENTENCES: Mapping[str, str] = {
    # Tables of annotations
    r"column (?P<name>\w+) is missing; expected (?P<wanted>.+)": N_(
        "the column %(name)s is missing; %(wanted)s are expected"
    ),
    r"line (?P<line>\d+): seriesuid is empty": N_("line %(line)s: seriesuid is empty"),
    r"line (?P<line>\d+): diameter_mm must be positive, got (?P<got>.+)": N_(
        "line %(line)s: diameter_mm must be positive, and is %(got)s"
    ),
    r"line (?P<line>\d+): (?P<name>\w+) must be a number, got None": N_("line %(line)s: %(name)s is missing"),
    r"line (?P<line>\d+): (?P<name>\w+) must be (?:a number|finite), got (?P<got>.*)": N_(
        "line %(line)s: %(name)s must be a number, and is %(got)s"
    ),
    r"(?P<file>.+) is not a readable CSV table: .*": N_("%(file)s is no readable CSV table in UTF-8"),
    r"(?P<file>.+) does not exist": N_("%(file)s does not exist"),
    r"annotations come as \.csv \(LUNA16\) or \.xml \(LIDC-IDRI\), got (?P<got>.+)": N_(
        "annotations come as .csv (LUNA16) or .xml (LIDC-IDRI), and this is %(got)s"
    ),
    r"an annotation file must be at most (?P<most>\d+) bytes": N_("an annotation file may have at most %(most)s bytes"),
    # LIDC's XML
    r"the file is no readable XML in UTF-8": N_("the file is no readable XML in UTF-8"),
    r"the XML declares entities or a document type, .*": N_(
        "the XML declares entities or a document type, which an LIDC message never does"
    ),
    r"the XML is no LIDC message about a CT series: SeriesInstanceUid is missing": N_(
        "the XML is no LIDC message about a CT series: SeriesInstanceUid is missing"
    ),
    r"an LIDC message has at most (?P<most>\d+) tags, got (?P<got>\d+)": N_(
        "an LIDC message has at most %(most)s tags, and this has %(got)s"
    ),
    r"an LIDC message holds 1 to (?P<most>\d+) reading sessions, got (?P<got>\d+)": N_(
        "an LIDC message holds 1 to %(most)s reading sessions, and this has %(got)s"
    ),
    r"the XML holds a region without (?P<name>\w+)": N_("the XML holds a region without %(name)s"),
    r"(?P<name>\w+) must be a pixel of 0 to (?P<last>\d+), got (?P<got>.+)": N_(
        "%(name)s must be a pixel of 0 to %(last)s, and is %(got)s"
    ),
    r"(?P<name>\w+) must be a number, got (?P<got>.*)": N_("%(name)s must be a number, and is %(got)s"),
    r"LIDC outlines need axial slices, .*": N_("LIDC outlines need axial slices, and those of this scan are oblique"),
    # The lungs, before a reading
    r"Lung search failed: the lung volume of (?P<volume>\S+) L is outside (?P<low>[\d.]+)-(?P<high>[\d.]+) L; .*": N_(
        "the lung volume of %(volume)s L is outside %(low)s to %(high)s L"
    ),
    r"Lung search failed: no lungs were found .*": N_("no air space of 100 mL was found inside the body"),
    # Deeds that came too early or too late
    r"there is no (?:such )?(?:scan|upload|hospital|prediction|run|model|thing|account)\b.*": N_(
        "There is no such thing here."
    ),
    r"there is a scan of this id already": N_("there is a scan of this id already"),
    r"the scan has not been looked at yet; .*": N_("the scan has not been looked at yet; try again in a minute"),
    r"the scan has to be checked and annotated, .*": N_(
        "the scan has to be checked and annotated, or declared read, before it is ready"
    ),
    r"the file is being sent by a newer request": N_("the file is being sent from another page"),
    r"everything of this upload has arrived.*": N_("everything of this upload has arrived already"),
    r"the upload is being checked; .*": N_("the upload is being checked; wait for the end"),
    r"this prediction has not finished": N_("this reading has not finished"),
    # Room and models
    r"the hospital may use (?P<quota>[\d.]+) GB of the disk, and would use (?P<used>[\d.]+) GB": N_(
        "the hospital may use %(quota)s GB of the disk, and would use %(used)s GB"
    ),
    r"model (?P<model>\S+) is not intact: .*": N_("the file of the model %(model)s is missing, damaged or was changed"),
    r"model (?P<model>\S+) is (?:another one now|not the one).*": N_(
        "the file of the model %(model)s was changed after the reading was asked for"
    ),
}

WANTED: Mapping[str, str] = {  # what a field of a header must be; other words, as numbers and units, stay
    r"(?P<count>\d+) whole number\(s\)": N_("%(count)s whole numbers"),
    r"(?P<count>\d+) finite numbers": N_("%(count)s numbers"),
    r"(?P<count>\d+) number\(s\) of (?P<low>\S+) to (?P<high>\S+)": N_("%(count)s numbers of %(low)s to %(high)s"),
    r"a whole number of (?P<low>\S+) to (?P<high>\S+)": N_("a whole number of %(low)s to %(high)s"),
    r"a plain number type": N_("a plain number type"),
    r"a plain rescale to HU": N_("a plain rescale to HU"),
    r"a single volume of three axes": N_("a single volume of three axes"),
    r"a rotation or reflection": N_("a rotation or reflection"),
    r"millimetres": N_("millimetres"),
    r"one less than BitsStored": N_("one less than BitsStored"),
    r"two perpendicular unit vectors": N_("two perpendicular unit vectors"),
    r"(?P<low>\S+) to (?P<high>\S+) along each axis": N_("%(low)s to %(high)s along each axis"),
    r"(?P<low>\S+) to (?P<high>\S+) mm apart": N_("%(low)s to %(high)s mm apart"),
    r"1 to (?P<most>\d+) per axis and (?P<all>\d+) in all": N_("1 to %(most)s per axis and %(all)s in all"),
    r"at most (?P<most>\d+) bytes(?: long)?": N_("at most %(most)s bytes"),
    r"(?P<one>\S+) or (?P<other>\S+)": N_("%(one)s or %(other)s"),
}
