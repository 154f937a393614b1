"""How good a detector is: the LUNA16 FROC analysis with its bootstrap, and the Dice overlap of masks."""
