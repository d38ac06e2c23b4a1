package solvemesh_test

import (
	"context"
	"fmt"
	"log"

	solvemesh "github.com/solvemesh/solvemesh/client/go"
)

func ExampleClient_Solve() {
	// In a program: "http://127.0.0.1:50051".
	client, err := solvemesh.Connect("http://" + shared.address)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	model := solvemesh.FromLP(`Maximize
 profit: 300 Doors + 500 Windows
Subject To
 plant1: Doors <= 4
 plant2: 2 Windows <= 12
 plant3: 3 Doors + 2 Windows <= 18
End`)
	result, err := client.Solve(context.Background(), model, nil)
	if err != nil {
		log.Fatal(err)
	}
	objective, _ := result.Objective()
	doors, _ := result.Value("Doors")
	windows, _ := result.Value("Windows")
	fmt.Printf("%s: %.0f with %.0f doors and %.0f windows\n", result.Reason(), objective, doors, windows)
	// Output: TERMINATION_REASON_OPTIMAL: 3600 with 2 doors and 6 windows
}
