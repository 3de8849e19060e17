"""What every file of a run goes through."""
