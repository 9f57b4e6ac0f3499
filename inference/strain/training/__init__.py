"""How the strain model is made and what it is worth; needs scikit-learn and onnx, which serving does not."""
