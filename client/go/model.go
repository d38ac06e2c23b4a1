package solvemesh

import (
	"os"
	"path/filepath"

	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

// FromLP returns a model from text in the LP format.
func FromLP(text string) *solvemeshv1.Model {
	return &solvemeshv1.Model{Form: &solvemeshv1.Model_Lp{Lp: text}}
}

// FromFile reads a model file: any format that the mesh reads, plain, gzip or zstd.
func FromFile(path string) (*solvemeshv1.Model, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file := &solvemeshv1.ModelFile{Content: content, Name: filepath.Base(path)}
	return &solvemeshv1.Model{Form: &solvemeshv1.Model_File{File: file}}, nil
}

// FromArrays returns a model from arrays. They are not copied.
func FromArrays(model *solvemeshv1.LinearModel) *solvemeshv1.Model {
	return &solvemeshv1.Model{Form: &solvemeshv1.Model_Linear{Linear: model}}
}
