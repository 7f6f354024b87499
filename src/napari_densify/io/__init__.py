"""Readers and writers: any file to a Volume and back."""
