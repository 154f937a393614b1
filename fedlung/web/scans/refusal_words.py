"""Why a file was refused, in the reader's language.

The readers of `fedlung.imaging` say it in one English sentence with names and numbers in it, for commands as well. Here
such a sentence is recognized, and said again by a translated one. An English reader, and a sentence that is not known
here, get the original: a technical word too many is better than no reason.
"""

from __future__ import annotations

import re

from flask_babel import gettext

from fedlung.imaging.intake.texts import N_
from fedlung.web.error_sentences import SENTENCES, WANTED
from fedlung.web.i18n import locale

_IN_FILE = re.compile(r"(?P<file>[^:]{1,200}): (?P<what>.+)", re.DOTALL)
_TABLE = tuple(
    (re.compile(pattern, re.DOTALL), text)
    for pattern, text in {
        **SENTENCES,
        # What came, and what did not come with it
        r"is no scan; .*": N_("this is no scan; DICOM, MetaImage, NIfTI or a zip of them is expected"),
        r"its pixel file '(?P<name>.*)' did not come with it": N_("its pixel file %(name)s did not come with it"),
        r"its pixel file '(?P<name>.*)' belongs to another header": N_("its pixel file belongs to another header"),
        r"the \.mhd header that names this pixel file did not come with it": N_(
            "the .mhd header of this file is missing"
        ),
        r"this kind of archive is not read, .*": N_("this kind of archive is not read; send the files or a .zip"),
        r"a pair of \.hdr and \.img is not read; .*": N_("a pair of .hdr and .img is not read; send one .nii file"),
        r"annotations are imported on their own, .*": N_("annotations are imported on their own, after the scans"),
        r"(?P<count>\d+) DICOM file\(s\) passed over: .*": N_(
            "%(count)s DICOM files are no CT slices and were passed over"
        ),
        r"the file is not a zip archive, or it is cut off": N_("the file is no zip archive, or is cut off"),
        # Sizes
        r"DimSize and ElementType ask for (?P<asked>\d+) pixel bytes, got (?P<got>\d+)": N_(
            "the header asks for %(asked)s bytes of voxels, and there are %(got)s"
        ),
        r"(?:DimSize|dim) and \w+ ask for (?P<asked>\d+) (?:pixel )?bytes, \D+ (?P<got>\d+).*": N_(
            "the header asks for %(asked)s bytes of voxels, more than %(got)s can hold"
        ),
        r"CompressedDataSize says (?P<asked>\d+) pixel bytes, got (?P<got>\d+)": N_(
            "the header says %(asked)s compressed bytes, and there are %(got)s"
        ),
        r"Rows and Columns ask for (?P<asked>\d+) pixel bytes, PixelData has (?P<got>\d+)": N_(
            "the header asks for %(asked)s bytes of voxels, and there are %(got)s"
        ),
        r".*(?:cut off|end before the last|ends before the last|became shorter|voxels end before).*": N_(
            "the file is cut off; please send it whole"
        ),
        r".*(?:is|are) damaged.*": N_("the file is damaged"),
        r"something follows .*": N_("there is more in the file than its header says"),
        r".*holds more voxels than DimSize declares": N_("there is more in the file than its header says"),
        # Headers
        r"not a MetaImage header, line (?P<line>\d+) .*": N_("this is no MetaImage header (line %(line)s)"),
        r"is not a DICOM file": N_("this is no DICOM file"),
        r"not a NIfTI-1 file: .*": N_("this is no NIfTI-1 file"),
        r"an Enhanced CT file with several frames is not read, .*": N_("a DICOM file with several frames is not read"),
        r"the file is (?P<what>.+), which is not read; export the series uncompressed .*": N_(
            "the file is %(what)s, which is not read; export the series uncompressed"
        ),
        r"ElementDataFile must be LOCAL or a plain \.raw or \.zraw file name, got (?P<got>.*)": N_(
            "ElementDataFile must name a .raw or .zraw file beside the header, and says %(got)s"
        ),
        r"qform_code and sform_code are 0: .*": N_("the header does not say where and which way round the scan is"),
        r"(?P<name>\w+) is missing": N_("%(name)s is missing in the header"),
        r"(?P<name>\w+) appears twice": N_("%(name)s appears twice in the header"),
        r"the field (?P<name>'.*') is unknown": N_("the header has an unknown field, %(name)s"),
        r"(?:pixel values|voxels|HU|stored values) must be .*, got (?P<low>\S+) to (?P<high>\S+)": N_(
            "the values are no HU: they go from %(low)s to %(high)s"
        ),
        r"(?P<name>\w+) must be (?P<wanted>.+), got (?P<got>.+)": N_("%(name)s must be %(wanted)s, and is %(got)s"),
        # Series
        r"the series has (?P<got>\d+) CT slice\(s\), expected at least (?P<least>\d+)": N_(
            "the series has %(got)s CT slices; at least %(least)s are needed"
        ),
        r"a slice is missing between (?P<axis>[xyz]) = (?P<low>\S+) and (?P<high>\S+) mm: .*": N_(
            "a slice is missing between %(axis)s = %(low)s and %(high)s mm"
        ),
        r"the slices are unevenly spaced between (?P<axis>[xyz]) = (?P<low>\S+) and (?P<high>\S+) mm: .*": N_(
            "the slices are unevenly spaced between %(axis)s = %(low)s and %(high)s mm"
        ),
        r"the gantry was tilted: .* at (?P<degrees>\S+) degrees .*": N_(
            "the gantry was tilted by %(degrees)s degrees, which is not read"
        ),
        r"(?P<one>.+) and (?P<other>.+) are slices at the same position": N_(
            "%(one)s and %(other)s are slices at the same position"
        ),
        r"(?P<what>.+) differ between (?P<one>.+) and (?P<other>.+)": N_("%(one)s and %(other)s differ in %(what)s"),
        # Archives
        r".* is an archive inside the archive; unpack it first": N_(
            "there is an archive in the archive; unpack it first"
        ),
        r"the archive's table of contents must be .*": N_("the archive's table of contents is too long"),
        r"two files of the archive are called (?P<name>'.*') .*": N_("two files of the archive are called %(name)s"),
        r".* in the archive is a link or a device, .*": N_(
            "there is a link or a device in the archive; only files are read"
        ),
        r".* is packed in a way that is not read.*": N_("the archive is packed in a way that is not read"),
        r"the archive is encrypted; .*": N_("the archive is encrypted; send it without a password"),
        r"an archive may hold at most (?P<most>\d+) files, got (?P<got>\d+)": N_(
            "an archive may hold at most %(most)s files, and has %(got)s"
        ),
        r"the archive would take (?P<asked>\d+) bytes unpacked, there is room for (?P<room>\d+)": N_(
            "there is no room for the content of the archive"
        ),
        r"\d+ bytes that unpack to \d+ are no archive of scans": N_("so small an archive cannot unpack to so much"),
        r"the archive holds a file that wants to be written elsewhere: .*": N_(
            "a file of the archive wants to be written elsewhere"
        ),
    }.items()
)


def in_words(sentence: str) -> str:
    """``sentence`` of a reader, in the language of this request."""
    if locale() == "en":
        return sentence
    said = _said(sentence)
    if said is not None:
        return said
    parts = _IN_FILE.fullmatch(sentence)
    what = _said(parts["what"]) if parts else None
    return gettext("%(file)s: %(what)s", file=parts["file"], what=what) if parts and what else sentence


def _said(sentence: str) -> str | None:
    for pattern, text in _TABLE:
        found = pattern.fullmatch(sentence)
        if found:
            values = found.groupdict()
            if "wanted" in values:
                values["wanted"] = _wanted(values["wanted"])
            return str(gettext(text)) % values
    return None


def _wanted(what: str) -> str:
    for pattern, text in WANTED.items():
        found = re.fullmatch(pattern, what)
        if found:
            return str(gettext(text)) % found.groupdict()
    return what
