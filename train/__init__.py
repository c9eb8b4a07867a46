"""Training: `python -m train CONFIG --workdir DIR --data FOLDER`."""
