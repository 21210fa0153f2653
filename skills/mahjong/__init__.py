"""Mahjong hands as text: winning hands, waits and discards, made in reverse and checked independently."""
