"""Video files to the frames of clips: the v_t of the paper, before any network.

    decode      video -> RGB frames at k / fps seconds, upright, at one size
    picture     colours of one frame, rotated upright and resized
    check       checks that a video is cut as its annotations expect
    store       frames of a video, compressed, in one HDF5 file; random access to windows of them
    layout      the layout of that file
    codecs      JPEG or H.264 compression of its frames
    transforms  resizing, padding, colours, and jitter of boxes

Pixels stay uint8 up to the device: normalising there costs a third of moving float32 around.
"""
