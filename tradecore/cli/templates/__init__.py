"""Files that `tradecore init` writes: one folder for each template, `.txt` behind the real name of each file."""
