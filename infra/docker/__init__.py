"""What the container image needs beside the parts themselves."""
