"""Scans in the web: uploads and their checks, volumes for the viewer, annotations, what may be trained on."""
