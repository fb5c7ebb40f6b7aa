"""Test vectors: cases and their balls in files, chosen so that they kill, and targets judged by them."""
