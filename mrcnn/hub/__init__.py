"""Files from elsewhere: downloads that are checked, and archives."""
