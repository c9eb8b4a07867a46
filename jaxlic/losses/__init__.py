"""Loss terms: functions `(batch, reconstruction) -> (value, metrics)`."""
