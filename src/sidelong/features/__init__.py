"""What can be added to an application, each by itself: most of it enters through `app.use`."""
