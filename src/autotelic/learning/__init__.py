"""From rewards to weights: advantages, examples, objectives, the learner. Nothing here knows which recipe called it."""
