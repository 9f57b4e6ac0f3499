"""The simple detectors that a model has to beat; all read the same believed heart rate and steps."""
