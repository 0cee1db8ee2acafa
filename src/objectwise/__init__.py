"""Train segmentation networks on objects, not on pixels."""
