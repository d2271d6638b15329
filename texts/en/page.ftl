# The page for browsers. Plain texts only: the server hands them over as they are, and the page fills in the places.

page-title = Malote
