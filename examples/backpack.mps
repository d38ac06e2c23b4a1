* What to take on a hike: ten items, each at most once, at most 15 kg and 40 litres.
* Of the two stoves at most one; the map only with the compass.
* The best is worth 259: all but the wood burner, the coat and the camera.
NAME          BACKPACK
OBJSENSE
    MAX
ROWS
 N  worth
 L  weight
 L  volume
 L  stoves
 L  mapneeds
COLUMNS
    MARKER    'MARKER'                 'INTORG'
    tent      worth          60   weight       3.2
    tent      volume         12
    bag       worth          50   weight       1.8
    bag       volume         11
    gasstove  worth          24   weight       1.1
    gasstove  volume          3   stoves         1
    woodburn  worth          19   weight       0.7
    woodburn  volume          2   stoves         1
    food      worth          55   weight       4.5
    food      volume          9
    water     worth          48   weight       4.0
    water     volume          4
    coat      worth          22   weight       0.9
    coat      volume          4
    camera    worth          26   weight       1.6
    camera    volume          3
    map       worth          14   weight       0.1
    map       volume        0.5   mapneeds       1
    compass   worth           8   weight       0.2
    compass   volume        0.5   mapneeds      -1
    MARKER    'MARKER'                 'INTEND'
RHS
    RHS       weight         15   volume        40
    RHS       stoves          1
BOUNDS
 BV BND       tent
 BV BND       bag
 BV BND       gasstove
 BV BND       woodburn
 BV BND       food
 BV BND       water
 BV BND       coat
 BV BND       camera
 BV BND       map
 BV BND       compass
ENDATA
