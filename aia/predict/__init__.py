"""A video through all rooms in one process: from a file or a camera to what each person does."""
