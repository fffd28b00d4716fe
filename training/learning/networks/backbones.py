# ruff: noqa: E501 - a table reads better with long lines than with twenty lines an entry
"""The zoo: every network that a project can stand on, in one literal table.

A ``Backbone`` is facts only; ``network.build`` makes the Keras model. All of keras.applications is here, and the
networks that the field teaches and that it lacks (``historic``). Errors are those that keras.io/api/applications
publishes (100 minus its accuracy), for MobileNet 0.25 and V3 those of their authors' model cards, for the historic ones
those of their papers; ``tests/training/learning/networks/test_backbones.py`` compares the rest with Keras itself.

The table alone makes this file long: one place to read, one entry to add.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Backbone:
    """One architecture with its published weights.

    Attributes:
        key: Name in the table and in the database.
        title, year, family: For people.
        builder: Function of keras.applications, or ``own:<module>:<function>`` beside this one; ``file`` or
            ``tail`` for an imported one.
        size: Default side of the square input in pixels.
        preprocessing: One of network.PREPROCESSING; "inside" = the network does it itself.
        parameters: Of the convolutional base, without the classifier.
        top1_error, top5_error: Published single-crop ImageNet validation error in percent; None where not published.
        licence: Of the weights.
        weights_file: Name under KERAS_HOME of the file without the classifier; "" where nobody published one.
        weights_url: Where Keras fetches that file from.
        weights_hash: What Keras publishes for it (MD5, or SHA-256 by its length); "" where Keras checks none.
        cut: Where the last block begins: the layer whose output, or with "<" whose input, feeds it; "" where more than
            one tensor crosses every boundary (NASNet), so that only extraction is possible. The last block is what its
            authors call one: of MobileNet its last (inverted) residual, of VGG and ResNet the layers after the last halving.
        deeper: Where the recipe that retrains more begins: with the layers of one map size before the cut, of MobileNet
            at the last halving, or of EfficientNet one stage earlier; "" where no more than one boundary is known (an imported network).
        options: Keyword arguments of the builder.
        sha256: Our own record of a file that was checked against independent sources; "" where there is none.
        bundled: The weights are in the repository.
        weights_folder: Under KERAS_HOME, or absolute.
        root, root_sha256: For a ``tail``: the network whose last block it replaces, and which weights of it.
    """

    key: str
    title: str
    year: int
    family: str
    builder: str
    size: int
    preprocessing: str
    parameters: int
    top1_error: float | None
    top5_error: float | None
    licence: str
    weights_file: str
    weights_url: str
    weights_hash: str
    cut: str
    deeper: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    bundled: bool = False
    weights_folder: str = "models"
    root: Backbone | None = None
    root_sha256: str = ""

    def boundary(self, deeper: bool) -> str:
        """Where retraining begins: with the last block, or further down where that is known."""
        return self.deeper or self.cut if deeper else self.cut

    @property
    def imported(self) -> bool:
        """Not of this table: see ``imported``."""
        return self.builder in ("file", "tail")


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"

# fmt: off
BACKBONES: dict[str, Backbone] = {
    backbone.key: backbone
    for backbone in (
        Backbone("crowdtune_small", "Crowdtune small", 2026, "Crowdtune", "own:small:build_small", 128, "tf", 375_224,
                 None, None, "Apache-2.0", "crowdtune_small.npz", "", weights_hash="", cut="stage2_c_out", deeper="stage1_b_out", bundled=True),
        Backbone("alexnet", "AlexNet", 2012, "Historic", "own:historic:build_alexnet", 227, "caffe", 2_334_080,
                 40.7, 18.2, "none published", "", "", weights_hash="", cut="pool2", deeper="pool1"),
        Backbone("zfnet", "ZFNet", 2013, "Historic", "own:historic:build_zfnet", 224, "caffe", 3_726_464,
                 38.4, 16.5, "none published", "", "", weights_hash="", cut="norm2", deeper="norm1"),
        Backbone("googlenet", "GoogLeNet (Inception v1)", 2014, "Historic", "own:historic:build_googlenet", 224, "bgr",
                 5_973_552, 31.3, 11.1, "unrestricted", "bvlc_googlenet.h5", "", weights_hash="", cut="pool4_3x3_s2", deeper="pool3_3x3_s2",
                 sha256="a13fcf4e66d4c5b750d28eafb81ef68236c8eee009bd36bd0c6ae06e0eb6d18c", weights_folder=""),
        Backbone("vgg16", "VGG16", 2014, "VGG", "VGG16", 224, "caffe", 14_714_688, 28.7, 9.9, "CC-BY-4.0",
                 "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="6d6bbae143d832006294945121d1f1fc", cut="block4_pool", deeper="block3_pool"),
        Backbone("vgg19", "VGG19", 2014, "VGG", "VGG19", 224, "caffe", 20_024_384, 28.7, 10.0, "CC-BY-4.0",
                 "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="253f8cb515780f3b799900260a226db6", cut="block4_pool", deeper="block3_pool"),
        Backbone("inception_v3", "Inception V3", 2015, "Inception", "InceptionV3", 299, "tf", 21_802_784, 22.1, 6.3, "Apache-2.0",
                 "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="bcbd6486424b2319ff4ef7d526e38f63", cut="mixed7", deeper="mixed2"),
        Backbone("resnet50", "ResNet50", 2015, "ResNet", "ResNet50", 224, "caffe", 23_587_712, 25.1, 7.9, "MIT",
                 "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="4d473c1dd8becc155b73f8504c6f6626", cut="conv4_block6_out", deeper="conv3_block4_out"),
        Backbone("resnet101", "ResNet101", 2015, "ResNet", "ResNet101", 224, "caffe", 42_658_176, 23.6, 7.2, "MIT",
                 "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "resnet/resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="88cf7a10940856eca736dc7b7e228a21", cut="conv4_block23_out", deeper="conv3_block4_out"),
        Backbone("resnet152", "ResNet152", 2015, "ResNet", "ResNet152", 224, "caffe", 58_370_944, 23.4, 6.9, "MIT",
                 "resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "resnet/resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="ee4c566cf9a93f14d82f913c2dc6dd0c", cut="conv4_block36_out", deeper="conv3_block8_out"),
        Backbone("resnet50_v2", "ResNet50 V2", 2016, "ResNet V2", "ResNet50V2", 224, "tf", 23_564_800, 24.0, 7.0, "Apache-2.0",
                 "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="fac2f116257151a9d068a22e544a4917", cut="conv4_block6_out", deeper="conv3_block4_out"),
        Backbone("resnet101_v2", "ResNet101 V2", 2016, "ResNet V2", "ResNet101V2", 224, "tf", 42_626_560, 22.8, 6.2, "Apache-2.0",
                 "resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "resnet/resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="c0ed64b8031c3730f411d2eb4eea35b5", cut="conv4_block23_out", deeper="conv3_block4_out"),
        Backbone("resnet152_v2", "ResNet152 V2", 2016, "ResNet V2", "ResNet152V2", 224, "tf", 58_331_648, 22.0, 5.8, "Apache-2.0",
                 "resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "resnet/resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="ed17cf2e0169df9d443503ef94b23b33", cut="conv4_block36_out", deeper="conv3_block8_out"),
        Backbone("inception_resnet_v2", "Inception-ResNet V2", 2016, "Inception", "InceptionResNetV2", 299, "tf", 54_336_736, 19.7, 4.7, "Apache-2.0",
                 "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "inception_resnet_v2/inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="d19885ff4a710c122648d3b5c3b684e4", cut="block17_20_ac", deeper="block35_10_ac"),
        Backbone("xception", "Xception", 2016, "Xception", "Xception", 299, "tf", 20_861_480, 21.0, 5.5, "Apache-2.0",
                 "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "xception/xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="b0042744bf5b25fce3cb969f33bebb97", cut="<block13_sepconv1_act", deeper="<block5_sepconv1_act"),
        Backbone("densenet121", "DenseNet121", 2016, "DenseNet", "DenseNet121", 224, "torch", 7_037_504, 25.0, 7.7, "BSD-3-Clause",
                 "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="30ee3e1110167f948a6b9946edeeb738", cut="pool4_pool", deeper="pool3_pool"),
        Backbone("densenet169", "DenseNet169", 2016, "DenseNet", "DenseNet169", 224, "torch", 12_642_880, 23.8, 6.8, "BSD-3-Clause",
                 "densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "densenet/densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="b8c4d4c20dd625c148057b9ff1c1176b", cut="pool4_pool", deeper="pool3_pool"),
        Backbone("densenet201", "DenseNet201", 2016, "DenseNet", "DenseNet201", 224, "torch", 18_321_984, 22.7, 6.4, "BSD-3-Clause",
                 "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 _KERAS + "densenet/densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
                 weights_hash="c13680b51ded0fb44dff2d8f86ac8bb1", cut="pool4_pool", deeper="pool3_pool"),
        Backbone("nasnet_mobile", "NASNet Mobile", 2017, "NASNet", "NASNetMobile", 224, "tf", 4_269_716, 25.6, 8.1, "Apache-2.0",
                 "nasnet_mobile_no_top.h5",
                 _KERAS + "nasnet/NASNet-mobile-no-top.h5",
                 weights_hash="1ed92395b5b598bdda52abe5c0dbfd63", cut=""),
        Backbone("nasnet_large", "NASNet Large", 2017, "NASNet", "NASNetLarge", 331, "tf", 84_916_818, 17.5, 4.0, "Apache-2.0",
                 "nasnet_large_no_top.h5",
                 _KERAS + "nasnet/NASNet-large-no-top.h5",
                 weights_hash="d81d89dc07e6e56530c4e77faddd61b5", cut=""),
        Backbone("mobilenet_0.25", "MobileNet 0.25", 2017, "MobileNet", "MobileNet", 224, "tf", 218_544, 50.2, 25.8, "Apache-2.0",
                 "mobilenet_2_5_224_tf_no_top.h5",
                 _KERAS + "mobilenet/mobilenet_2_5_224_tf_no_top.h5",
                 weights_hash="", cut="conv_pw_12_relu", deeper="conv_pw_11_relu", options={"alpha": 0.25},
                 sha256="0c38a05c22650853a3e06b7902883bc4a9444f64a7027377570a763dd5f6ea90"),
        Backbone("mobilenet_1.0", "MobileNet 1.0", 2017, "MobileNet", "MobileNet", 224, "tf", 3_228_864, 29.6, 10.5, "Apache-2.0",
                 "mobilenet_1_0_224_tf_no_top.h5",
                 _KERAS + "mobilenet/mobilenet_1_0_224_tf_no_top.h5",
                 weights_hash="", cut="conv_pw_12_relu", deeper="conv_pw_11_relu", options={"alpha": 1.0}),
        Backbone("mobilenet_v2_0.35", "MobileNetV2 0.35", 2018, "MobileNetV2", "MobileNetV2", 224, "tf", 410_208, 39.7, 17.1, "Apache-2.0",
                 "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
                 _KERAS + "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
                 weights_hash="", cut="block_15_add", deeper="block_12_add", options={"alpha": 0.35},
                 sha256="d43c70f8ea04b1087170401b2f4739f41b94200e30892ea8d050ac65779146c6"),
        Backbone("mobilenet_v2_1.0", "MobileNetV2 1.0", 2018, "MobileNetV2", "MobileNetV2", 224, "tf", 2_257_984, 28.7, 9.9, "Apache-2.0",
                 "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
                 _KERAS + "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
                 weights_hash="", cut="block_15_add", deeper="block_12_add", options={"alpha": 1.0}),
        Backbone("mobilenet_v3_small", "MobileNetV3 Small", 2019, "MobileNetV3", "MobileNetV3Small", 224, "inside", 939_120, 31.9, None, "Apache-2.0",
                 "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
                 _KERAS + "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
                 weights_hash="d3e8ec802a04aa4fc771ee12a9a9b836", cut="expanded_conv_9_add", deeper="expanded_conv_7_add"),
        Backbone("mobilenet_v3_large", "MobileNetV3 Large", 2019, "MobileNetV3", "MobileNetV3Large", 224, "inside", 2_996_352, 24.4, None, "Apache-2.0",
                 "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
                 _KERAS + "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
                 weights_hash="07fb09a5933dd0c8eaafa16978110389", cut="expanded_conv_13_add", deeper="expanded_conv_11_add"),
        Backbone("efficientnet_b0", "EfficientNet B0", 2019, "EfficientNet", "EfficientNetB0", 224, "efficientnet", 4_049_571, 22.9, 6.7, "Apache-2.0",
                 "efficientnetb0_notop.h5",
                 "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
                 weights_hash="50bc09e76180e00e4465e1a485ddc09d", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_b1", "EfficientNet B1", 2019, "EfficientNet", "EfficientNetB1", 240, "efficientnet", 6_575_239, 20.9, 5.6, "Apache-2.0",
                 "efficientnetb1_notop.h5",
                 "https://storage.googleapis.com/keras-applications/efficientnetb1_notop.h5",
                 weights_hash="74c4e6b3e1f6a1eea24c589628592432", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_b2", "EfficientNet B2", 2019, "EfficientNet", "EfficientNetB2", 260, "efficientnet", 7_768_569, 19.9, 5.1, "Apache-2.0",
                 "efficientnetb2_notop.h5",
                 "https://storage.googleapis.com/keras-applications/efficientnetb2_notop.h5",
                 weights_hash="111f8e2ac8aa800a7a99e3239f7bfb39", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_b3", "EfficientNet B3", 2019, "EfficientNet", "EfficientNetB3", 300, "efficientnet", 10_783_535, 18.4, 4.3, "Apache-2.0",
                 "efficientnetb3_notop.h5",
                 "https://storage.googleapis.com/keras-applications/efficientnetb3_notop.h5",
                 weights_hash="af6d107764bb5b1abb91932881670226", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_b4", "EfficientNet B4", 2019, "EfficientNet", "EfficientNetB4", 380, "efficientnet", 17_673_823, 17.1, 3.6, "Apache-2.0",
                 "efficientnetb4_notop.h5",
                 "https://storage.googleapis.com/keras-applications/efficientnetb4_notop.h5",
                 weights_hash="ebc24e6d6c33eaebbd558eafbeedf1ba", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_b5", "EfficientNet B5", 2019, "EfficientNet", "EfficientNetB5", 456, "efficientnet", 28_513_527, 16.4, 3.3, "Apache-2.0",
                 "efficientnetb5_notop.h5",
                 "https://storage.googleapis.com/keras-applications/efficientnetb5_notop.h5",
                 weights_hash="38879255a25d3c92d5e44e04ae6cec6f", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_b6", "EfficientNet B6", 2019, "EfficientNet", "EfficientNetB6", 528, "efficientnet", 40_960_143, 16.0, 3.2, "Apache-2.0",
                 "efficientnetb6_notop.h5",
                 "https://storage.googleapis.com/keras-applications/efficientnetb6_notop.h5",
                 weights_hash="9ecce42647a20130c1f39a5d4cb75743", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_b7", "EfficientNet B7", 2019, "EfficientNet", "EfficientNetB7", 600, "efficientnet", 64_097_687, 15.7, 3.0, "Apache-2.0",
                 "efficientnetb7_notop.h5",
                 "https://storage.googleapis.com/keras-applications/efficientnetb7_notop.h5",
                 weights_hash="cbcfe4450ddf6f3ad90b1b398090fe4a", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_v2_b0", "EfficientNetV2 B0", 2021, "EfficientNetV2", "EfficientNetV2B0", 224, "inside", 5_919_312, 21.3, 5.7, "Apache-2.0",
                 "efficientnetv2-b0_notop.h5",
                 _KERAS + "efficientnet_v2/efficientnetv2-b0_notop.h5",
                 weights_hash="893217f2bb855e2983157299931e43ff", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_v2_b1", "EfficientNetV2 B1", 2021, "EfficientNetV2", "EfficientNetV2B1", 240, "inside", 6_931_124, 20.2, 5.0, "Apache-2.0",
                 "efficientnetv2-b1_notop.h5",
                 _KERAS + "efficientnet_v2/efficientnetv2-b1_notop.h5",
                 weights_hash="0e80663031ca32d657f9caa404b6ec37", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_v2_b2", "EfficientNetV2 B2", 2021, "EfficientNetV2", "EfficientNetV2B2", 260, "inside", 8_769_374, 19.5, 4.9, "Apache-2.0",
                 "efficientnetv2-b2_notop.h5",
                 _KERAS + "efficientnet_v2/efficientnetv2-b2_notop.h5",
                 weights_hash="1dfe2e7a5d45b6632553a8961ea609eb", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_v2_b3", "EfficientNetV2 B3", 2021, "EfficientNetV2", "EfficientNetV2B3", 300, "inside", 12_930_622, 18.0, 4.2, "Apache-2.0",
                 "efficientnetv2-b3_notop.h5",
                 _KERAS + "efficientnet_v2/efficientnetv2-b3_notop.h5",
                 weights_hash="f6abf7b5849ac99a89b50dd3fd532856", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_v2_s", "EfficientNetV2 S", 2021, "EfficientNetV2", "EfficientNetV2S", 384, "inside", 20_331_360, 16.1, 3.3, "Apache-2.0",
                 "efficientnetv2-s_notop.h5",
                 _KERAS + "efficientnet_v2/efficientnetv2-s_notop.h5",
                 weights_hash="af0682fb74e8c54910f2d4393339c070", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_v2_m", "EfficientNetV2 M", 2021, "EfficientNetV2", "EfficientNetV2M", 480, "inside", 53_150_388, 14.7, 2.6, "Apache-2.0",
                 "efficientnetv2-m_notop.h5",
                 _KERAS + "efficientnet_v2/efficientnetv2-m_notop.h5",
                 weights_hash="1b8dc055df72dde80d614482840fe342", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("efficientnet_v2_l", "EfficientNetV2 L", 2021, "EfficientNetV2", "EfficientNetV2L", 480, "inside", 117_746_848, 14.3, 2.5, "Apache-2.0",
                 "efficientnetv2-l_notop.h5",
                 _KERAS + "efficientnet_v2/efficientnetv2-l_notop.h5",
                 weights_hash="b0b66b5c863aef5b46e8608fe1711615", cut="<block6a_expand_conv", deeper="<block5a_expand_conv"),
        Backbone("convnext_tiny", "ConvNeXt Tiny", 2022, "ConvNeXt", "ConvNeXtTiny", 224, "inside", 27_820_128, 18.7, None, "Apache-2.0",
                 "convnext_tiny_notop.h5",
                 _KERAS + "convnext/convnext_tiny_notop.h5",
                 weights_hash="d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1", cut="<convnext_tiny_downsampling_block_2", deeper="<convnext_tiny_downsampling_block_1"),
        Backbone("convnext_small", "ConvNeXt Small", 2022, "ConvNeXt", "ConvNeXtSmall", 224, "inside", 49_454_688, 17.7, None, "Apache-2.0",
                 "convnext_small_notop.h5",
                 _KERAS + "convnext/convnext_small_notop.h5",
                 weights_hash="6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab", cut="<convnext_small_downsampling_block_2", deeper="<convnext_small_downsampling_block_1"),
        Backbone("convnext_base", "ConvNeXt Base", 2022, "ConvNeXt", "ConvNeXtBase", 224, "inside", 87_566_464, 14.7, None, "Apache-2.0",
                 "convnext_base_notop.h5",
                 _KERAS + "convnext/convnext_base_notop.h5",
                 weights_hash="40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45", cut="<convnext_base_downsampling_block_2", deeper="<convnext_base_downsampling_block_1"),
        Backbone("convnext_large", "ConvNeXt Large", 2022, "ConvNeXt", "ConvNeXtLarge", 224, "inside", 196_230_336, 13.7, None, "Apache-2.0",
                 "convnext_large_notop.h5",
                 _KERAS + "convnext/convnext_large_notop.h5",
                 weights_hash="96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd", cut="<convnext_large_downsampling_block_2", deeper="<convnext_large_downsampling_block_1"),
        Backbone("convnext_xlarge", "ConvNeXt XLarge", 2022, "ConvNeXt", "ConvNeXtXLarge", 224, "inside", 348_147_968, 13.3, None, "Apache-2.0",
                 "convnext_xlarge_notop.h5",
                 _KERAS + "convnext/convnext_xlarge_notop.h5",
                 weights_hash="de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05", cut="<convnext_xlarge_downsampling_block_2", deeper="<convnext_xlarge_downsampling_block_1"),
    )
}
# fmt: on
