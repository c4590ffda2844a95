"""How fast this machine trains: measured, remembered, and beside a standard loop."""
