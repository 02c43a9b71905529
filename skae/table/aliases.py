"""DEPRECATED names of what the table knows, for code that is about to be rewritten.

Delete this file, and the two base classes where they are named, when nothing uses them.
"""

import numpy as np


class LayoutAliases:
    """What `skae.table.blocks.Design` was called when it was a layout."""

    @property
    def numbers(self):
        return self.numeric.features

    @property
    def categories(self):
        return np.sort(
            np.concatenate([[], *(b.features for b in self.blocks[1:])]).astype(int)
        )

    @property
    def sizes(self):
        return tuple(int(size) for block in self.blocks[1:] for size in block.sizes)

    @property
    def shares(self):
        import torch

        return torch.cat([torch.zeros(0), *(b.proportions for b in self.blocks[1:])])

    @property
    def holed(self):
        return self.missing_indicators

    @property
    def is_plain(self):
        return self.is_numeric

    @property
    def cell_order(self):
        return self.feature_order

    def outputs_of_features(self):
        return self.slices()

    def as_design(self, output, columns):
        if columns.start < self.numeric.width:
            return output
        others = (one for block in self.blocks[1:] for one in block.split())
        block = next(block for block in others if block.columns == columns)
        return block.to(output.device).to_design(output)


class EncoderAliases:
    """What `skae.table.encoder.TableEncoder` called its attributes."""

    @property
    def layout_(self):
        return self.design_

    @property
    def share_missing_(self):
        return self.missing_fraction_
