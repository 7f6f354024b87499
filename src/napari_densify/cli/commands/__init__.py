"""The commands, by what they are about; importing a module adds its commands."""
