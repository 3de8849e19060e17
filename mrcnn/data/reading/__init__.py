"""Image files: their headers, pictures as RGB, and the files that hold labels."""
