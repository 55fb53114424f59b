"""Tasks from anywhere: task files and data sets, columns, splits, the pool and its samplers. Worlds that make their own tasks are in `worlds`."""
