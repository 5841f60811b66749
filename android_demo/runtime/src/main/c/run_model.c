/* Runs a model by the C interface of the AAR's library: for each example, reads its inputs from
   standard input as int32, one tensor after the other, and writes its output, float32. Such a
   program needs no Java virtual machine for the other processor. */
#include <stdio.h>
#include <stdlib.h>

/* The headers in the AAR lack one that they include. */
typedef struct TfLiteModel TfLiteModel;
typedef struct TfLiteInterpreterOptions TfLiteInterpreterOptions;
typedef struct TfLiteInterpreter TfLiteInterpreter;
typedef struct TfLiteTensor TfLiteTensor;
enum { kTfLiteOk = 0 };
TfLiteModel *TfLiteModelCreateFromFile(const char *path);
TfLiteInterpreterOptions *TfLiteInterpreterOptionsCreate(void);
void TfLiteInterpreterOptionsSetNumThreads(TfLiteInterpreterOptions *options, int threads);
/* Of XNNPACK; NULL for its own options. The Java interface adds it by itself. */
void *TfLiteXNNPackDelegateCreate(const void *options);
void TfLiteInterpreterOptionsAddDelegate(TfLiteInterpreterOptions *options, void *delegate);
TfLiteInterpreter *TfLiteInterpreterCreate(
    const TfLiteModel *model, const TfLiteInterpreterOptions *options);
int TfLiteInterpreterAllocateTensors(TfLiteInterpreter *interpreter);
int TfLiteInterpreterGetInputTensorCount(const TfLiteInterpreter *interpreter);
TfLiteTensor *TfLiteInterpreterGetInputTensor(const TfLiteInterpreter *interpreter, int index);
const TfLiteTensor *TfLiteInterpreterGetOutputTensor(
    const TfLiteInterpreter *interpreter, int index);
int TfLiteInterpreterInvoke(TfLiteInterpreter *interpreter);
size_t TfLiteTensorByteSize(const TfLiteTensor *tensor);
void *TfLiteTensorData(const TfLiteTensor *tensor);

static void *checked(void *pointer, const char *what) {
    if (pointer == NULL) {
        fprintf(stderr, "run_model: no %s\n", what);
        exit(1);
    }
    return pointer;
}

int main(int count, char **arguments) {
    if (count != 2) return fprintf(stderr, "usage: run_model MODEL\n"), 1;
    TfLiteModel *model = checked(TfLiteModelCreateFromFile(arguments[1]), "model");
    TfLiteInterpreterOptions *options = TfLiteInterpreterOptionsCreate();
    TfLiteInterpreterOptionsSetNumThreads(options, 1);
    TfLiteInterpreterOptionsAddDelegate(
        options, checked(TfLiteXNNPackDelegateCreate(NULL), "XNNPACK"));
    TfLiteInterpreter *interpreter =
        checked(TfLiteInterpreterCreate(model, options), "interpreter");
    if (TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk) return 1;
    int inputs = TfLiteInterpreterGetInputTensorCount(interpreter);
    while (1) {
        for (int i = 0; i < inputs; i++) {
            TfLiteTensor *input = TfLiteInterpreterGetInputTensor(interpreter, i);
            size_t size = TfLiteTensorByteSize(input);
            size_t read = fread(TfLiteTensorData(input), 1, size, stdin);
            if (i == 0 && read == 0) return 0;
            if (read != size) return 1;
        }
        if (TfLiteInterpreterInvoke(interpreter) != kTfLiteOk) return 1;
        const TfLiteTensor *output = TfLiteInterpreterGetOutputTensor(interpreter, 0);
        fwrite(TfLiteTensorData(output), 1, TfLiteTensorByteSize(output), stdout);
        fflush(stdout);
    }
}
