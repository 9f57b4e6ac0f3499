"""Video to columns of mean colours: the only place that knows OpenCV; importing this package alone does not load it."""
