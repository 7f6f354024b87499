"""Requests to jobs to events, without Qt."""
