"""What exists for scripts written for the original or for earlier releases."""
