"""Small models with fresh weights."""

from small_models import image, make_text, multi, one_thread, predictor, saved, text

__all__ = ["image", "make_text", "multi", "one_thread", "predictor", "saved", "text"]
