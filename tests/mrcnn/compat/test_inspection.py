import keras

from mrcnn.compat.inspection import ancestor


def test_ancestors():
    image = keras.Input((4,), name="image")
    one = keras.layers.Dense(3, name="one")(image)
    two = keras.layers.Dense(2, name="two")(one)
    aside = keras.layers.Dense(1, name="aside")(image)
    assert ancestor(two, "one") is one and ancestor(two, "one/BiasAdd:0") is one
    assert ancestor(two, "image") is image
    assert ancestor(two, "aside") is None and ancestor(aside, "one") is None
