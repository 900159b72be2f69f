"""Films in, clips out: the v_t of the paper, before any network sees them.

    decode      any film -> RGB frames at k / fps seconds, upright, at one size
    picture     one frame's colours, turned upright and scaled
    store       those frames, compressed, in one HDF5 file a film; windows of them at random
    layout      what lies where in that file
    codecs      JPEG or H.264 of its frames
    transforms  sizes, padding, and the boxes that go with the frames

Pixels stay uint8 up to the device: normalising them there costs a third of moving float32 around.
"""
