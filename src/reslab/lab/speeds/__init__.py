"""How fast this machine trains: measured, remembered, and compared with a standard loop."""
