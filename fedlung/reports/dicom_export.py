"""Reported marks as DICOM: a segmentation (SEG) and a structured report (SR, TID 1500) that refers to it.

Both refer to the original series and carry its patient and study, so that an archive files them beside it. Each is
read back before it is given away: what an archive will find in it is what was meant. Made with highdicom (Bridge et
al. 2022, "Highdicom: a Python library for standardized encoding of image annotations").
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import cast
from uuid import UUID, uuid5

import highdicom as hd
import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from fedlung import __version__
from fedlung.errors import Conflict, FedLungError
from fedlung.imaging.geometry import Geometry
from fedlung.reports.dicom_source import DicomSource
from fedlung.reports.label_volume import label_volume
from fedlung.reports.marked_scan import RESEARCH_USE, MarkedScan, ReportedMark

SERIES_DESCRIPTION = f"FedLung nodules. {RESEARCH_USE}"  # LO: 64 characters at most
LUNG, NODULE = Code("39607008", "SCT", "Lung"), Code("27925004", "SCT", "Nodule")
SIDES = {"left": Code("7771000", "SCT", "Left"), "right": Code("24028007", "SCT", "Right")}
DIAMETER, VOLUME = Code("81827009", "SCT", "Diameter"), Code("118565006", "SCT", "Volume")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
CT_CHEST = Code("24627-2", "LN", "CT Chest")
MM, MM3, PERCENT = Code("mm", "UCUM", "mm"), Code("mm3", "UCUM", "mm3"), Code("%", "UCUM", "Percent")
SEG_SERIES_NUMBER, SR_SERIES_NUMBER = 9001, 9002
MOST_SEGMENTS = 255
READ_BACK_TOLERANCE = 0.06  # mm and mm3: volumes are written with one decimal


def to_seg(scan: MarkedScan, source: DicomSource, mask_zyx: NDArray[np.uint8]) -> bytes:
    """One segment per reported mark, on the slices of the original series.

    Raises:
        Conflict: nothing is reported, so there is nothing to outline.
    """
    marks = _marks(scan)
    labels = label_volume(marks, mask_zyx, Geometry.from_json(scan.content["prepared"]), source.geometry)
    planes = np.flatnonzero(labels.any(axis=(1, 2)))
    content = _to_bytes(_segmentation(scan, [source.slices[plane] for plane in planes], labels[planes]))
    _check_seg(content, labels, len(marks))
    return content


def to_sr(scan: MarkedScan, source: DicomSource, mask_zyx: NDArray[np.uint8]) -> bytes:
    """One measurement group per reported mark; its outline is the segment of the same number in `to_seg`.

    Raises:
        Conflict: nothing is reported.
    """
    marks = _marks(scan)
    segmentation = hd.seg.segread(io.BytesIO(to_seg(scan, source, mask_zyx)))
    first = source.slices[0]
    groups = [_group(scan, item, number, segmentation, first) for number, item in enumerate(marks, start=1)]
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=_uid(scan, "device"),
        name="FedLung",
        manufacturer_name="FedLung",
        model_name=_ascii(scan.record.model["name"]),
        serial_number=scan.record.model["sha256"][:16],
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=sr.ObserverContext(codes.DCM.Device, device)),
        procedure_reported=CT_CHEST,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    document = sr.Comprehensive3DSR(
        evidence=[*source.slices, segmentation],
        content=report[0],
        series_instance_uid=_uid(scan, "sr series"),
        series_number=SR_SERIES_NUMBER,
        sop_instance_uid=_uid(scan, "sr"),
        instance_number=1,
        manufacturer="FedLung",
        series_description=SERIES_DESCRIPTION,
    )
    content = _to_bytes(document)
    _check_sr(content, marks)
    return content


def _segmentation(scan: MarkedScan, slices: Sequence[Dataset], labels: NDArray[np.uint8]) -> hd.seg.Segmentation:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=_ascii(scan.record.model["name"]),
        family=codes.DCM.ArtificialIntelligence,
        version=scan.record.model["sha256"][:16],
        parameters={"threshold": f"{scan.threshold:.4f}", "notice": RESEARCH_USE},
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"Nodule {item.name}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=NODULE,
            algorithm_type="AUTOMATIC" if item.label is not None else "SEMIAUTOMATIC",
            algorithm_identification=algorithm,
            tracking_uid=_uid(scan, f"mark {item.mark.id}"),
            tracking_id=f"Nodule {item.name}",
            anatomic_regions=[LUNG],
        )
        for number, item in enumerate(scan.reported, start=1)
    ]
    return hd.seg.Segmentation(
        source_images=slices,
        pixel_array=labels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=_uid(scan, "seg series"),
        series_number=SEG_SERIES_NUMBER,
        sop_instance_uid=_uid(scan, "seg"),
        instance_number=1,
        manufacturer="FedLung",
        manufacturer_model_name=_ascii(scan.record.model["name"]),
        software_versions=__version__,
        device_serial_number=scan.record.model["sha256"][:16],
        content_description=RESEARCH_USE,
        content_label="NODULES",
        series_description=SERIES_DESCRIPTION,
    )


def _group(
    scan: MarkedScan, item: ReportedMark, number: int, segmentation: hd.seg.Segmentation, first: Dataset
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    measurements = [
        sr.Measurement(DIAMETER, round(item.mark.diameter_mm, 3), MM),
        sr.Measurement(VOLUME, round(item.volume_mm3, 1), MM3),
    ]
    if item.probability is not None:
        measurements.append(sr.Measurement(CERTAINTY, round(100 * item.probability, 2), PERCENT))
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(_uid(scan, f"mark {item.mark.id}"), f"Nodule {item.name}"),
        # Not from_segmentation: it looks for the segment's number where a SEG of one segment does not have it.
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=number,
            source_series=sr.SourceSeriesForSegmentation(first.SeriesInstanceUID),
        ),
        finding_type=NODULE,
        finding_sites=[sr.FindingSite(LUNG, laterality=SIDES.get(item.position["side"]))],
        algorithm_id=sr.AlgorithmIdentification(
            name=_ascii(scan.record.model["name"]),
            version=scan.record.model["sha256"][:16],
            parameters=[f"threshold={scan.threshold:.4f}", f"source={item.mark.source}", RESEARCH_USE],
        ),
        measurements=measurements,
    )


def _marks(scan: MarkedScan) -> Sequence[ReportedMark]:
    if not scan.reported:
        raise Conflict("no mark is reported at this threshold: there is nothing to write into DICOM")
    if len(scan.reported) > MOST_SEGMENTS:
        raise Conflict(f"{len(scan.reported)} marks are reported; DICOM holds at most {MOST_SEGMENTS}")
    return scan.reported


def _check_seg(content: bytes, labels: NDArray[np.uint8], count: int) -> None:
    """Read the object as anybody would, and compare the voxels of each segment."""
    found = hd.seg.segread(io.BytesIO(content))
    meant = np.bincount(labels.ravel(), minlength=count + 1)[1 : count + 1].tolist()
    counts = [0] * count
    frames = found.pixel_array.reshape(-1, *labels.shape[1:])  # of one frame, the first axis is missing
    for frame, number in zip(frames, _segment_of_frames(found), strict=True):
        counts[number - 1] += int(frame.sum())
    if found.number_of_segments != count or counts != meant:
        raise FedLungError(f"the DICOM segmentation reads back as {counts} voxels per nodule, expected {meant}")


def _segment_of_frames(found: hd.seg.Segmentation) -> list[int]:
    """The segment's number stands with each frame, or once for all where there is one segment."""
    shared = found.SharedFunctionalGroupsSequence[0]
    if "SegmentIdentificationSequence" in shared:
        number = int(shared.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        return [number] * int(found.NumberOfFrames)
    frames = found.PerFrameFunctionalGroupsSequence
    return [int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber) for frame in frames]


def _check_sr(content: bytes, marks: Sequence[ReportedMark]) -> None:
    """Read the report as anybody would, and compare sizes and the segments that they belong to."""
    found = sr.srread(io.BytesIO(content))
    groups = cast(sr.MeasurementReport, found.content).get_volumetric_roi_measurement_groups()
    if len(groups) != len(marks):
        raise FedLungError(f"the DICOM report reads back with {len(groups)} nodules, expected {len(marks)}")
    for number, (group, item) in enumerate(zip(groups, marks, strict=True), start=1):
        written = {DIAMETER: item.mark.diameter_mm, VOLUME: item.volume_mm3}
        read = {name: measurement.value for name in written for measurement in group.get_measurements(name=name)}
        segment = group.referenced_segment
        is_right = segment is not None and segment.referenced_segment_numbers == [number]
        if not is_right or any(abs(read[name] - value) > READ_BACK_TOLERANCE for name, value in written.items()):
            raise FedLungError(f"the DICOM report reads back another nodule {number} than was written")


def _uid(scan: MarkedScan, what: str) -> str:
    """The same for the same marks at the same threshold, so that an SR finds its SEG (PS3.5, B.2: UIDs from UUIDs)."""
    state = f"{what} {scan.version.version} {scan.threshold:.6f}" if not what.startswith("mark") else what
    return f"2.25.{uuid5(UUID(scan.record.id), state).int}"


def _ascii(text: str) -> str:
    """For a long string of DICOM, whatever character set the original series has."""
    return text.encode("ascii", "replace").decode().replace("\\", "/")[:64]


def _to_bytes(dataset: Dataset) -> bytes:
    target = io.BytesIO()
    dataset.save_as(target)
    return target.getvalue()
