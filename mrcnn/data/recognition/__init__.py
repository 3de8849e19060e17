"""What a folder of images and annotations is: the formats, and how each is found and opened."""
